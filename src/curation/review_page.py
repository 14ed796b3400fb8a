"""The page on which a person decides about the findings of a review: one HTML file that needs nothing else.

Its parts are in page/: the HTML, the style, and the scripts, which become one module. Pictures are base64
text in elements of their own, which the scripts turn into images.
"""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from PIL import Image

from src.common import files, paths
from src.common.progress import progress
from src.curation.findings import REASONS, Finding, in_order
from src.images.decode import decode_with_pillow
from src.images.faults import BadImage
from src.images.headers import read_header
from src.records.decisions import Decision

PARTS = paths.PACKAGE / 'curation' / 'page'
SCRIPTS = ('pictures', 'csv', 'store', 'decisions', 'files', 'list', 'view', 'relabel', 'keys', 'main')
MOST = 200  # findings of each reason
SIDE, THUMBNAIL = 640, 96  # the longer side of a picture and of its thumbnail, in pixels, at most
AS_IT_IS = 150_000  # bytes; a small JPEG of up to so many is not encoded again
Pictures = Callable[[Iterable[str]], Iterator[tuple[str, bytes]]]


def write_page(
    path: Path,
    name: str,
    classes: Sequence[str],
    findings: Iterable[Finding],
    pictures: Pictures,
    decisions: Mapping[str, Decision],
    most: int = MOST,
) -> None:
    """Write the page of a review of the data set `name` with `classes`.

    pictures: yields (id, encoded picture) for ids, in any order; photos that it leaves out or that cannot be
        decoded have no picture on the page
    decisions: earlier ones by id, with the time when they were made
    most: the number of findings of each reason, the most suspicious; the page tells how many more there are
    One picture is in memory at a time.
    """
    content = content_of(name, classes, findings, decisions, most)
    numbers = {photo['id']: number for number, photo in enumerate(content['photos'])}
    before, style, middle, after = _template()
    with files.atomic(path) as stream, progress(len(numbers), 'writing the page', 'pictures') as bar:
        stream.writelines((before, style, middle))
        stream.write(f'<script type="application/json" id="content">{as_json(content)}</script>\n')
        for id_, encoded in pictures(list(numbers)):
            _write_picture(stream, numbers[id_], encoded)
            bar.update()
        scripts = '\n'.join(_part(f'{script}.js') for script in SCRIPTS)
        stream.writelines(('<script type="module">\n', scripts, '</script>\n', after))


def content_of(
    name: str,
    classes: Sequence[str],
    findings: Iterable[Finding],
    decisions: Mapping[str, Decision],
    most: int = MOST,
) -> dict[str, Any]:
    """What the page shows, as JSON.

    photos: id, split, label, and the findings on the photo itself
    entries: what is decided at a time: the number of one photo, or of the two of a pair of duplicates with
        what was found about them; with the reasons
    left_out: for reasons with more than `most` findings, how many more
    decisions: earlier ones, the times in milliseconds since 1970
    """
    findings = list(findings)
    known = {one.id: (one.split, one.label) for one in findings}  # not of all second photos of pairs
    shown, left_out = _first(findings, most)
    photos: dict[str, dict] = {}
    entries: dict[Any, dict] = {}
    for one in shown:
        for id_ in filter(None, (one.id, one.other)):
            split, label = known.get(id_, ('', ''))
            photos.setdefault(id_, {'id': id_, 'split': split, 'label': label, 'findings': []})
        if one.other:
            ids = [one.id, one.other]
            entries[frozenset(ids)] = {'ids': ids, 'reasons': [one.reason], 'pair': _found(one)}
            continue
        photos[one.id]['findings'].append(_found(one))
        entry = entries.setdefault(one.id, {'ids': [one.id], 'reasons': []})
        if one.reason not in entry['reasons']:
            entry['reasons'].append(one.reason)
    numbers = {id_: number for number, id_ in enumerate(photos)}
    ordered = sorted(entries.values(), key=lambda entry: REASONS.index(entry['reasons'][0]))
    return {
        'name': name,
        'classes': list(classes),
        'reasons': [reason for reason in REASONS if any(reason in entry['reasons'] for entry in ordered)],
        'left_out': left_out,
        'photos': list(photos.values()),
        'entries': [
            {key: value for key, value in entry.items() if key != 'ids'}
            | {'photos': [numbers[id_] for id_ in entry['ids']]}
            for entry in ordered
        ],
        'decisions': [
            {'id': one.id, 'decision': one.decision, 'label': one.label, 'at': round(1000 * one.at)}
            for one in decisions.values()
        ],
    }


def as_json(value: Any) -> str:
    """JSON that is safe inside of a script element, whatever its texts are."""
    return json.dumps(value).replace('<', '\\u003c')


def shrunk(encoded: bytes) -> tuple[bytes, bytes]:
    """A picture of at most `SIDE` pixels and its thumbnail, both JPEG. Raises BadImage."""
    header = read_header(encoded)
    longer = max(header.width, header.height)
    ratio = next(ratio for ratio in (8, 4, 2, 1) if ratio == 1 or longer >= ratio * SIDE)
    picture = Image.fromarray(decode_with_pillow(encoded, ratio, header))
    small = header.plain and encoded.startswith(b'\xff\xd8') and longer <= SIDE and len(encoded) <= AS_IT_IS
    large = encoded if small else _jpeg(picture, SIDE, 85)
    return large, _jpeg(picture, THUMBNAIL, 75)


def _first(findings: Iterable[Finding], most: int) -> tuple[list[Finding], dict[str, int]]:
    """The first `most` findings of each reason, and how many more there are. Of a pair of duplicates that was
    found both ways one is left."""
    shown: list[Finding] = []
    number: Counter[str] = Counter()
    pairs: set[frozenset[str]] = set()
    for one in in_order(findings):
        pair = frozenset((one.id, one.other))
        if one.other and pair in pairs:
            continue
        pairs.add(pair)
        number[one.reason] += 1
        if number[one.reason] <= most:
            shown.append(one)
    return shown, {reason: total - most for reason, total in number.items() if total > most}


def _found(one: Finding) -> dict[str, Any]:
    found = {'reason': one.reason, 'detail': one.detail, 'score': one.score}
    return found | ({'looks_like': one.looks_like} if one.looks_like else {})


def _write_picture(stream: IO[str], number: int, encoded: bytes) -> None:
    try:
        large, thumbnail = shrunk(encoded)
    except BadImage:
        return
    for kind, data in (('picture', large), ('thumbnail', thumbnail)):
        text = base64.b64encode(data).decode()
        stream.write(f'<script type="text/plain" id="{kind}-{number}">{text}</script>\n')


def _jpeg(picture: Image.Image, side: int, quality: int) -> bytes:
    smaller = picture.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    smaller.save(stream, 'JPEG', quality=quality)
    return stream.getvalue()


def _template() -> tuple[str, str, str, str]:
    """The HTML before the style, the style, the HTML up to the content, and the rest."""
    before, _, rest = _part('page.html').partition('/* style.css */')
    middle, _, after = rest.partition('<!-- content and scripts -->\n')
    return before, _part('style.css'), middle, after


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding='utf-8')
