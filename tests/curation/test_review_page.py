"""The content of a review's page. How it works in a browser: test_review_in_browser.py."""

from __future__ import annotations

import base64
import io
import json
import re
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from src.curation.findings import Finding
from src.curation.review_page import SIDE, THUMBNAIL, content_of, shrunk, write_page
from src.images.faults import BadImage
from src.records.decisions import Decision
from tests.pictures import encoded, photo


def found(id_: str, reason: str = 'odd file', score: float = 1.0, **more: str) -> Finding:
    return Finding(id_, 'train', 'cat', reason, score, 'a detail', **more)


def content(*findings: Finding, **options) -> dict:
    return content_of('pets', ['cat', 'dog'], findings, options.pop('decisions', {}), **options)


def ids_of(made: dict) -> list[list[str]]:
    return [[made['photos'][number]['id'] for number in entry['photos']] for entry in made['entries']]


def test_a_photo_found_for_several_reasons_is_one_entry():
    made = content(found('a', 'label suspect', looks_like='dog'), found('a'), found('b', 'label suspect'))
    assert ids_of(made) == [['a'], ['b']]
    assert made['entries'][0]['reasons'] == ['odd file', 'label suspect']
    assert [one['reason'] for one in made['photos'][0]['findings']] == ['odd file', 'label suspect']
    assert made['photos'][0]['findings'][1]['looks_like'] == 'dog'
    assert made['reasons'] == ['odd file', 'label suspect']


def test_duplicates_are_pairs_and_each_pair_is_shown_once():
    made = content(
        found('b', 'duplicate', 0.9, other='a'), found('a', 'duplicate', 0.9, other='b'),
        found('a', 'duplicate', 0.8, other='c'), found('a', 'odd file'),
    )  # fmt: skip
    assert ids_of(made) == [['a'], ['a', 'b'], ['a', 'c']]
    assert made['entries'][1]['pair'] == {'reason': 'duplicate', 'detail': 'a detail', 'score': 0.9}
    labels = {one['id']: one['label'] for one in made['photos']}
    assert labels == {'a': 'cat', 'b': 'cat', 'c': ''}


def test_the_most_suspicious_of_each_reason_are_shown():
    odd = [found(f'odd/{place}', score=place) for place in range(7)]
    pairs = [found(f'{place}', 'duplicate', place, other=f'{place}~') for place in range(4)]
    made = content(*odd, *pairs, most=3)
    assert ids_of(made) == [['odd/6'], ['odd/5'], ['odd/4'], ['3', '3~'], ['2', '2~'], ['1', '1~']]
    assert made['left_out'] == {'odd file': 4, 'duplicate': 1}


def test_earlier_decisions_come_with_their_time():
    made = content(decisions={'x': Decision('x', 'relabel', 'dog', at=1.5)})
    assert made['decisions'] == [{'id': 'x', 'decision': 'relabel', 'label': 'dog', 'at': 1500}]


@pytest.mark.parametrize('size', [(3000, 2000), (640, 480), (300, 700), (20, 10)])
def test_pictures_are_shrunk_and_keep_their_proportions(size):
    large, small = (Image.open(io.BytesIO(part)) for part in shrunk(encoded(photo(*size), 'PNG')))
    assert large.format == small.format == 'JPEG'
    scale = min(1, SIDE / max(size))
    assert np.allclose(large.size, np.multiply(size, scale), atol=1)
    assert max(small.size) == min(THUMBNAIL, max(size))


def test_a_small_jpeg_stays_as_it_is_and_a_turned_one_is_made_upright():
    plain = encoded(photo(200, 100), 'JPEG')
    assert shrunk(plain)[0] == plain
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(photo(200, 100), 'JPEG', exif=exif)
    assert Image.open(io.BytesIO(shrunk(turned)[0])).size == (100, 200)
    with pytest.raises(BadImage):
        shrunk(b'no picture')


def test_the_page_is_one_file_with_all_pictures_that_can_be_shown(tmp_path):
    path = tmp_path / 'new' / 'review.html'
    asked = []

    def pictures(ids):
        asked.extend(ids)
        yield 'b', b'damaged'
        yield 'a', encoded(photo(), 'PNG')

    write_page(path, 'pets', ['cat', 'dog'], [found('a'), found('b'), found('c')], pictures, {})
    text = path.read_text(encoding='utf-8')
    assert asked == ['a', 'b', 'c']
    held = re.findall(r'<script type="text/plain" id="(\w+-\d)">([^<]*)</script>', text)
    assert [name for name, _ in held] == ['picture-0', 'thumbnail-0']
    assert Image.open(io.BytesIO(base64.b64decode(held[0][1]))).size == (96, 64)
    assert not re.findall(
        r'(?:src|href)\s*=|url\(|@import|https?:', re.sub(r'(?s)<script type="module">.*', '', text)
    )


def test_texts_cannot_leave_their_element(tmp_path):
    bad = '</script><script>alert(1)</script><!-- "\'\u2028\udcff'
    path = tmp_path / 'review.html'
    decisions = {bad: Decision(bad, 'keep')}
    write_page(path, bad, [bad, 'dog'], [found(bad, looks_like=bad)], lambda ids: iter(()), decisions)
    text = path.read_text(encoding='utf-8')
    assert 'alert(1)</script>' not in text and '<!-- "' not in text
    (held,) = re.findall(r'id="content">([^<]*)</script>', text)
    made = json.loads(held)
    assert made['photos'][0]['id'] == made['classes'][0] == made['decisions'][0]['id'] == bad


def test_memory_stays_flat(tmp_path):
    large = encoded(np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8), 'JPEG', quality=95)

    def peak(number: int) -> int:
        findings = [found(str(place)) for place in range(number)]
        tracemalloc.start()
        write_page(tmp_path / 'x', 'pets', ['a', 'b'], findings, lambda ids: ((i, large) for i in ids), {})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(24) < peak(3) + 2 * len(large)
