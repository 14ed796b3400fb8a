"""The page of a review in a real browser: decisions with keyboard and mouse, saved, loaded and kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.curation.findings import Finding
from src.curation.review_page import write_page
from src.records.decisions import Decision, read_decisions, write_decisions
from tests.browser import browser, goto, opened, violations  # noqa: F401  (a fixture)
from tests.pictures import encoded, photo

ODD = 'cat/a "b", </script>é.jpg'
CLASSES = ['beagle', 'border_collie', 'boxer', 'cat', 'great_dane', 'wolf']
FINDINGS = [
    Finding(ODD, 'train', 'cat', 'not the wanted kind', 0.9, 'ten best: desk, mouse'),
    Finding('cat/2.jpg', 'train', 'cat', 'odd file', 3.0, '12 × 12 pixels'),
    Finding('cat/3.jpg', 'test', 'cat', 'duplicate', 0.9, 'mirrored', other='cat/4.jpg'),
    Finding('cat/5.jpg', 'train', 'cat', 'label suspect', 0.8, 'margin -2.1', looks_like='wolf'),
    Finding('cat/2.jpg', 'train', 'cat', 'label suspect', 0.7, 'margin -1.9', looks_like='boxer'),
]


def pictures(ids) -> Iterator[tuple[str, bytes]]:
    for seed, id_ in enumerate(ids):
        if id_ != 'cat/5.jpg':  # which has no picture
            yield id_, encoded(photo(300, 200, seed), 'JPEG')


def written(path: Path, decisions: dict | None = None, name: str = 'pets') -> Path:
    write_page(path, name, CLASSES, FINDINGS, pictures, decisions or {})
    return path


@pytest.fixture
def page(browser, tmp_path):  # noqa: F811
    shown = opened(browser, written(tmp_path / 'review.html'))
    yield shown
    assert shown.faults == []
    shown.context.close()


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def said(page) -> str:
    return page.inner_text('#said')


def saved(page, tmp_path: Path, how=lambda page: press(page, 's')) -> dict[str, Decision]:
    with page.expect_download() as caught:
        how(page)
    assert caught.value.suggested_filename == 'decisions.csv'
    path = tmp_path / 'saved' / 'decisions.csv'
    caught.value.save_as(path)
    return read_decisions(path, 'pets')


def made(*decisions: Decision) -> dict[str, Decision]:
    return {one.id: one for one in decisions}


def test_keys_alone_keep_drop_relabel_undo_and_save(page, tmp_path):
    assert page.inner_text('#count') == '0 of 4 decided'
    assert page.inner_text('.id') == ODD and page.get_attribute('img', 'alt') == f'Photo {ODD}'
    assert page.evaluate("document.querySelector('#photos img').naturalWidth") == 300
    press(page, 'k')
    assert said(page) == f'{ODD} kept. 1 of 4 decided.'
    assert page.inner_text('.id') == 'cat/2.jpg' and page.locator('#photos .findings li').count() == 2
    press(page, 'd')
    press(page, 'u')
    assert said(page) == 'Undone: cat/2.jpg is undecided. 1 of 4 decided.'
    assert page.inner_text('.id') == 'cat/2.jpg' and page.inner_text('.decision') == 'Undecided'
    press(page, 'r')
    page.keyboard.type('co')
    press(page, 'Enter')
    assert said(page) == 'cat/2.jpg relabeled as border_collie. 2 of 4 decided.'
    assert page.inner_text('#pair').startswith('duplicate: mirrored')
    press(page, '2', 'd')
    assert said(page) == 'cat/4.jpg dropped. 3 of 4 decided.'
    assert page.locator('.nothing').is_visible()
    press(page, 'r', 'Enter')  # as what it looks like
    assert said(page) == 'cat/5.jpg relabeled as wolf. 4 of 4 decided.'
    assert saved(page, tmp_path) == made(
        Decision(ODD, 'keep'),
        Decision('cat/2.jpg', 'relabel', 'border_collie'),
        Decision('cat/4.jpg', 'drop'),
        Decision('cat/5.jpg', 'relabel', 'wolf'),
    )
    assert said(page) == 'Saved 4 decisions as decisions.csv.'
    press(page, 'Control+z')
    assert said(page) == 'Undone: cat/5.jpg is undecided. 3 of 4 decided.'
    press(page, 'ArrowLeft', 'ArrowLeft', 'c')
    assert said(page) == 'cat/2.jpg undecided. 2 of 4 decided.'


def test_the_mouse_does_the_same(page, tmp_path):
    page.click('.drop')
    page.click('#thumbnails li:nth-child(4) button')
    assert page.inner_text('.id') == 'cat/5.jpg'
    page.click('.relabel')
    page.select_option('#classes', 'great_dane')
    page.click('#relabel-do')
    page.click('#thumbnails li:nth-child(3) button')
    page.click('figure:nth-child(2) .keep')
    page.click('figure:nth-child(1) .drop')
    page.click('#previous')
    page.click('.keep')
    page.click('#undo')
    assert saved(page, tmp_path, lambda page: page.click('#save')) == made(
        Decision('cat/3.jpg', 'drop'),
        Decision('cat/4.jpg', 'keep'),
        Decision('cat/5.jpg', 'relabel', 'great_dane'),
        Decision(ODD, 'drop'),
    )


def test_a_number_or_the_arrow_keys_choose_a_class_and_escape_none(page):
    press(page, 'r')
    assert page.locator('#classes option').all_inner_texts()[4] == '5 great_dane'
    press(page, '5')
    assert page.input_value('#classes') == 'great_dane'
    assert page.inner_text('#matches') == '1 class: great_dane'
    page.fill('#typed', 'b')
    assert page.inner_text('#matches') == '3 classes, the first is beagle'
    press(page, 'ArrowDown')
    assert page.input_value('#classes') == 'border_collie'
    page.fill('#typed', 'lion')
    assert page.inner_text('#matches') == 'No class is called so.'
    press(page, 'Enter')
    assert page.inner_text('#matches') == 'Choose a class.'
    press(page, 'Escape')
    page.locator('#typed').wait_for(state='hidden')
    assert page.inner_text('#count') == '0 of 4 decided'
    press(page, 'r')
    page.fill('#typed', 'cat')
    press(page, 'Enter')
    assert said(page) == f'{ODD} has this label already: kept. 1 of 4 decided.'


def test_decisions_are_there_after_a_reload_and_in_another_tab(page):
    press(page, 'k', 'd', 'u')
    other = goto(page.context, Path(page.url.removeprefix('file://')))
    press(page, 'ArrowRight', 'd')
    for shown in (page, other):
        assert shown.inner_text('#count') == '2 of 4 decided'
        shown.reload()
        assert shown.inner_text('#count') == '2 of 4 decided'
    marks = page.locator('#thumbnails button').evaluate_all('all => all.map(one => one.dataset.decision)')
    assert marks == ['keep', '', 'drop', '']


def test_a_new_run_brings_earlier_decisions_and_the_later_one_counts(browser, tmp_path):  # noqa: F811
    path, now = written(tmp_path / 'review.html'), time.time()
    page = opened(browser, path)
    press(page, 'd', 'd')
    written(path, made(
        Decision(ODD, 'keep', at=now - 60),
        Decision('cat/2.jpg', 'keep', at=now + 60),
        Decision('cat/5.jpg', 'relabel', 'boxer', at=now - 60),
        Decision('old.jpg', 'drop', at=now - 60),
    ))  # fmt: skip
    page.reload()
    expected = made(
        Decision(ODD, 'drop'), Decision('cat/2.jpg', 'keep'), Decision('cat/5.jpg', 'relabel', 'boxer'),
        Decision('old.jpg', 'drop'),
    )  # fmt: skip
    assert saved(page, tmp_path) == expected
    page.click('summary')
    assert page.inner_text('#kept').startswith('1 earlier decision on photos that are not on this page')
    press(page, 'ArrowRight', 'ArrowRight', 'ArrowRight', 'c')  # what is taken back stays so
    page.reload()
    assert saved(page, tmp_path) == {id_: one for id_, one in expected.items() if id_ != 'cat/5.jpg'}
    assert page.faults == []
    page.context.close()


def test_data_sets_do_not_mix(browser, tmp_path):  # noqa: F811
    page = opened(browser, written(tmp_path / 'pets.html'))
    press(page, 'd')
    other = goto(page.context, written(tmp_path / 'birds.html', name='birds'))
    assert other.inner_text('#count') == '0 of 4 decided'
    page.context.close()


def test_filters(page):
    page.select_option('#reason', 'label suspect')
    assert page.inner_text('#where') == 'Photo 1 of 2' and page.inner_text('.id') == 'cat/2.jpg'
    assert page.locator('#thumbnails li:visible').count() == 2
    page.select_option('#reason', '')
    page.check('#undecided')
    press(page, 'k')
    assert page.inner_text('#pair').startswith('duplicate')
    assert page.locator('#thumbnails li:visible').count() == 3
    press(page, 'ArrowLeft')
    assert page.inner_text('.id') == ODD
    press(page, 'ArrowLeft')
    assert said(page) == 'This is the first one.'


def test_of_a_pair_both_are_decided_or_one_is_dropped(page):
    page.click('#thumbnails li:nth-child(3) button')
    press(page, 'k')
    assert page.inner_text('#count') == '0 of 4 decided'
    assert page.locator('figure').nth(1).get_attribute('class') == 'active'
    press(page, 'k')
    assert page.inner_text('#count') == '1 of 4 decided' and page.inner_text('.id') == 'cat/5.jpg'


def load(page, path: Path) -> str:
    page.set_input_files('#file', path)
    page.wait_for_function(
        'name => document.querySelector("#said").textContent.startsWith(name)', arg=path.name
    )
    return said(page)


def test_a_list_is_loaded_and_later_decisions_stay(page, tmp_path):
    path = tmp_path / 'mine.csv'
    write_decisions(path, 'pets', [Decision(ODD, 'drop'), Decision('cat/2.jpg', 'relabel', 'wolf')])
    os.utime(path, (1e9, 1e9))
    press(page, 'k')
    assert load(page, path) == 'mine.csv: 2 decisions, 1 new; 1 decision made here later stay.'
    assert saved(page, tmp_path) == made(Decision(ODD, 'keep'), Decision('cat/2.jpg', 'relabel', 'wolf'))
    press(page, 'u')
    assert page.inner_text('#count') == '1 of 4 decided'
    os.utime(path, (time.time() + 60,) * 2)
    assert load(page, path).startswith('mine.csv: 2 decisions, 2 new.')
    page.reload()
    assert saved(page, tmp_path)[ODD] == Decision(ODD, 'drop')


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('id,reason\na,b\n', 'this is not a list of decisions: it has no column data_set'),
        ('data_set,id,decision,label\nbirds,a,drop,\n', 'this list is about the data set birds, not pets'),
        ('data_set,id,decision,label\npets,a,burn,\n', 'a: “burn” is no decision'),
        ('data_set,id,decision,label\npets,a,relabel,lion\n', 'a: “lion” is no class'),
        ('data_set;id;decision;label\npets;a;drop;\npets;a;keep;\n', 'a has two decisions'),
        (b'\xff\xfe\x00', 'this is not a text in UTF-8'),
    ],
)
def test_lists_that_cannot_be_loaded(page, tmp_path, text, words):
    path = tmp_path / 'bad.csv'
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    assert load(page, path) == f'bad.csv was not loaded: {words}.'
    assert page.inner_text('#count') == '0 of 4 decided'


def test_names_that_are_not_utf8_are_saved_as_they_are(browser, tmp_path):  # noqa: F811
    path = tmp_path / 'review.html'
    write_page(path, 'pets', CLASSES, [Finding('\udcff€.jpg', '', '', 'odd file', 1, '')], pictures, {})
    page = opened(browser, path)
    press(page, 'd')
    assert saved(page, tmp_path) == made(Decision('\udcff€.jpg', 'drop'))
    page.context.close()


def test_it_works_where_the_browser_stores_nothing_and_says_so(browser, tmp_path):  # noqa: F811
    context = browser.new_context()
    refused = "() => { throw new DOMException('denied', 'SecurityError') }"
    context.add_init_script(f"Object.defineProperty(window, 'localStorage', {{get: {refused}}})")
    page = goto(context, written(tmp_path / 'review.html'))
    assert 'save before that' in page.inner_text('#warning')
    press(page, 'd')
    assert saved(page, tmp_path) == made(Decision(ODD, 'drop'))
    assert page.faults == []
    context.close()


def test_keys_can_be_switched_off_and_are_not_taken_from_fields(page):
    page.focus('#reason')
    press(page, 'd')
    page.click('summary')
    page.uncheck('#keys')
    press(page, 'd')
    assert page.inner_text('#count') == '0 of 4 decided'
    page.focus('.drop')
    press(page, 'Enter')
    assert page.inner_text('#count') == '1 of 4 decided'


def test_keys_of_other_scripts_count_by_their_place(page):
    event = "new KeyboardEvent('keydown', {key: 'в', code: 'KeyD', bubbles: true})"  # Russian
    page.evaluate(f'document.body.dispatchEvent({event})')
    assert said(page) == f'{ODD} dropped. 1 of 4 decided.'


def test_the_focus_is_never_lost_and_visible(page):
    page.focus('.keep')
    press(page, 'Enter')
    focused = 'document.activeElement.className + document.activeElement.closest("figure").innerText'
    assert page.evaluate(focused).startswith('keep') and 'cat/2.jpg' in page.evaluate(focused)
    page.focus('.relabel')
    press(page, 'Enter')
    assert page.evaluate('document.activeElement.id') == 'typed'
    press(page, 'Enter')
    assert page.evaluate(focused).startswith('relabel') and 'cat/3.jpg' in page.evaluate(focused)
    press(page, 'Shift+Tab', 'Enter', 'Enter')  # drops the first photo of the pair, and the next
    assert page.inner_text('#count') == '4 of 4 decided' and page.evaluate(focused).startswith('drop')
    page.focus('#next')
    press(page, 'Enter')
    assert said(page) == 'This is the last one.' and page.evaluate('document.activeElement.id') == 'next'
    stops = set()
    for _ in range(30):
        press(page, 'Tab')
        if page.evaluate('document.activeElement === document.body'):  # beyond the last one
            continue
        assert page.evaluate('getComputedStyle(document.activeElement).outlineStyle') != 'none'
        stops.add(page.evaluate('document.activeElement.id || document.activeElement.className'))
    assert {'save', 'reason', 'undecided', 'previous', 'undo', 'keep', 'drop', 'relabel'} <= stops


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1280, 390])
def test_it_is_accessible(browser, tmp_path, scheme, width):  # noqa: F811
    page = opened(browser, written(tmp_path / 'review.html'), width, color_scheme=scheme)
    assert violations(page) == []
    press(page, 'k', 'd', '1', 'd', 'ArrowLeft')
    page.click('summary')
    assert violations(page) == []
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    press(page, 'r', 'b')
    assert violations(page) == []
    assert page.faults == []
    page.context.close()
