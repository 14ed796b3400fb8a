"""The page in Chromium, with a model of each runtime."""

from __future__ import annotations

import pytest

from benchmarks.served import running
from tests.browser import browser  # noqa: F401 - a fixture
from tests.inference.models import bright_above
from tests.interpret.networks import color_classifier
from tests.pictures import encoded

SECONDS = 120


@pytest.mark.parametrize('gradients', [True, False])
def test_a_picture_is_classified_and_explained_where_there_are_gradients(
    browser,  # noqa: F811
    lite_side,
    tmp_path,
    gradients,
):
    model = lite_side  # with its frozen graph beside it
    if not gradients:
        model = tmp_path / 'side.tflite'
        model.write_bytes(lite_side.read_bytes())
    (tmp_path / 'above.jpg').write_bytes(encoded(bright_above(), 'JPEG'))
    with running(model) as server:
        page = browser.new_context().new_page()
        page.set_default_timeout(1000 * SECONDS)
        faults = []
        page.on('pageerror', lambda error: faults.append(str(error)))
        page.on('console', lambda message: message.type == 'error' and faults.append(message.text))
        page.goto('http://{}:{}/'.format(*server.address))
        page.set_input_files('#files', tmp_path / 'above.jpg')
        page.locator('.card[data-state=done]').wait_for()
        assert page.locator('.card .label').all_inner_texts()[0] == 'top'
        assert page.locator('.card .why').count() == (4 if gradients else 0)
        assert not faults
        page.context.close()


def test_an_explanation_shows_the_whole_picture_and_says_what_it_is(browser, tmp_path):  # noqa: F811
    (tmp_path / 'above.jpg').write_bytes(encoded(bright_above(), 'JPEG'))
    with running(color_classifier(tmp_path / 'colors.pb')) as server:
        page = browser.new_context().new_page()
        page.set_default_timeout(1000 * SECONDS)
        page.goto('http://{}:{}/'.format(*server.address))
        page.set_input_files('#files', tmp_path / 'above.jpg')
        why = page.locator('.card .why').first
        why.click()
        page.locator('figcaption', has_text='Bright: where the model looks for').wait_for()
        fit = 'element => getComputedStyle(element).objectFit'
        assert page.locator('.explanation').evaluate(fit) == 'contain'  # its heat may be at an edge
        why.click()
        assert not page.locator('figcaption, .explanation').count()
        page.context.close()


def test_the_page_asks_for_the_token_until_it_is_right(browser, lite_side, tmp_path):  # noqa: F811
    (tmp_path / 'above.jpg').write_bytes(encoded(bright_above(), 'JPEG'))
    token = 'a-token-of-a-test-0123'
    (tmp_path / 'tokens').write_text(token)
    with running(lite_side, '--token-file', str(tmp_path / 'tokens')) as server:
        page = browser.new_context().new_page()
        page.set_default_timeout(1000 * SECONDS)
        page.goto('http://{}:{}/'.format(*server.address))
        dialog = page.locator('dialog[open]')
        dialog.wait_for()  # for the list of classes, which is open as there are few
        page.click('dialog button[value=cancel]')
        page.set_input_files('#files', tmp_path / 'above.jpg')
        dialog.wait_for()
        page.click('dialog button[value=cancel]')
        page.locator('.card[data-state=failed] .again').click()
        for text, note in (('a-wrong-token-012345', 'not valid'), (f' {token} ', None)):
            page.fill('#token-text', text)
            page.click('dialog button[value=send]')
            if note:
                page.locator('#token-note', has_text=note).wait_for()
        dialog.wait_for(state='hidden')
        page.locator('.card[data-state=done]').wait_for()
        page.reload()
        page.locator('#labels li').first.wait_for()  # not asked again
        assert not page.locator('dialog[open]').count()
        page.context.close()
