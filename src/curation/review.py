"""Look through a data set for photos that may not belong in it, each with a reason and a score.

    python -m src.curation.review cats_dogs
    python -m src.curation.review cats_dogs --classifier mobilenet_v2.pb --labels imagenet_labels.txt
    python -m src.curation.review flowers --only duplicate label-suspect --most 100

Works on the records of the data set NAME (data/records/NAME/), and looks for

- photos that are not of the wanted kind: an ImageNet classifier (--classifier) has none of the wanted
  classes among its ten best ones;
- odd files: file size, width, height, bytes per pixel, entropy, sharpness, brightness or colorfulness outside
  of Tukey's fences (--iqr-factor);
- duplicates, also mirrored, cropped, resized, re-encoded or slightly turned ones, and across splits;
- label suspects: photos that look like another class than their label.

Duplicates and labels are found by the bottlenecks in the records. Nothing is deleted or changed: the page on
which a person keeps, drops or relabels the photos saves decisions.csv (data_set, id, decision, label), and
the converters take it: the same command with --review decisions.csv --overwrite.

Writes to metrics/NAME/:

| file                    | content                                                    |
|-------------------------|------------------------------------------------------------|
| review.csv              | each finding: photo, split, label, reason, score, detail   |
| review.html             | the page to decide on                                      |
| review_<reason>.jpg     | the findings of each reason, the most suspicious first     |
| review_sizes.png        | widths and heights of the pictures                         |
| review_class_counts.png | photos in each class, before and after decisions if any    |
"""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from src.common import cli, columns, errors, paths
from src.common.files import count, listed
from src.common.names import plain_name
from src.common.progress import next_step, say, wrote
from src.curation import duplicates, label_suspects, odd_files, unwanted
from src.curation.findings import REASONS, Finding, findings_file, in_order, write_findings
from src.curation.photos import Photos, encoded_pictures, is_copy, read_photos
from src.curation.pictures import draw_counts, draw_sheet, draw_sizes, sheet_file
from src.curation.review_page import write_page
from src.curation.unwanted import Classifier
from src.records import dataset
from src.records.dataset import Records
from src.records.decisions import Decision, read_decisions

MOST = 60  # findings of each reason on sheets and page
NAMED = 4  # unreadable pictures that are printed


def review(
    records: Records,
    photos: Photos,
    only: Sequence[str] = REASONS,
    classifier: Classifier | None = None,
    iqr_factor: float = odd_files.FACTOR,
) -> tuple[list[Finding], dict[str, str]]:
    """Look for the reasons `only` in a data set.

    Returns the findings in the order of REASONS, the most suspicious first; and for reasons that could not be
    looked for, or not fully, what is missing.
    """
    found: list[Finding] = []
    missing = {reason: text for reason, text in lacks(records, photos, classifier).items() if reason in only}
    if unwanted.REASON in only and classifier:
        found += unwanted.unwanted(photos, records, classifier)
    if odd_files.REASON in only:
        found += odd_files.odd_files(photos, iqr_factor)
    wants = {duplicates.REASON, label_suspects.REASON} & set(only) and records.has_bottlenecks
    bottlenecks = bottlenecks_of(records) if wants else None
    if duplicates.REASON in only:
        found += duplicates.duplicates(photos, bottlenecks)
    if label_suspects.REASON in only and label_suspects.REASON not in missing:
        found += label_suspects.label_suspects(photos, bottlenecks)
    return in_order(found), missing


def lacks(records: Records, photos: Photos, classifier: Classifier | None) -> dict[str, str]:
    """What is missing, by reason."""
    texts = {}
    if classifier is None:
        texts[unwanted.REASON] = (
            'skipped: give an ImageNet classifier, --classifier PB (and --labels FILE if its labels are '
            'elsewhere)'
        )
    if not records.has_bottlenecks:
        texts[duplicates.REASON] = (
            'without bottlenecks hardly any cropped or turned copies are found: convert with a --backbone'
        )
        texts[label_suspects.REASON] = 'skipped: it needs bottlenecks, so convert with a --backbone'
        return texts
    counts = np.bincount(photos.labels[photos.labels >= 0], minlength=len(photos.classes))
    if (counts >= label_suspects.LEAST).sum() < 2:
        texts[label_suspects.REASON] = 'skipped: it needs two classes of two photos or more'
    elif small := [photos.classes[i] for i in np.flatnonzero(counts == 1)]:
        texts[label_suspects.REASON] = f'not judged, as it is the only photo of its class: {listed(small)}'
    return texts


def bottlenecks_of(records: Records) -> np.ndarray:
    """The bottlenecks [N, width] float32 of the photos, without those of augmented copies."""
    parts = [dataset.load(records, split) for split in records.counts]
    return np.concatenate(
        [part.values[[not is_copy(id_, records) for id_ in part.ids]] for part in parts], dtype=np.float32
    )


def report(
    findings: Sequence[Finding], photos: Photos, missing: Mapping[str, str], only: Sequence[str]
) -> None:
    """Print a table of the photos found for each reason, and what is missing."""
    splits = list(dict.fromkeys(photos.splits))
    rows = [['reason', *splits, 'photos']]
    for reason in only:
        if missing.get(reason, '').startswith('skipped'):
            continue
        of = Counter(one.split for one in findings if one.reason == reason)
        rows.append([reason, *(f'{of[split]:,}' for split in splits), f'{of.total():,}'])
    for line in columns.table(rows, [False] + [True] * (len(splits) + 1)):
        say(line)
    for reason in only:
        if reason in missing:
            say(f'{reason}: {missing[reason]}')
    if photos.unreadable:
        some = [f'{id_} ({fault})' for id_, fault in photos.unreadable.items()]
        number = count(len(some), 'picture')
        say(f'{number} cannot be decoded, and was not measured: {listed(some, NAMED)}')
    if not findings:
        say('nothing was found')


def write_results(
    name: str,
    records: Records,
    photos: Photos,
    findings: Sequence[Finding],
    decisions: Mapping[str, Decision],
    most: int,
) -> Path:
    """Write table, pictures and page to metrics/NAME/. Returns the path of the page."""
    table = findings_file(name)
    folder, page = table.parent, table.with_suffix('.html')
    write_findings(table, findings)
    aligned = partial(wrote, listed=[sheet_file(folder, max(REASONS, key=len))])
    aligned(table, count(len(findings), 'finding'))
    for reason in REASONS:
        of, path = [one for one in findings if one.reason == reason], sheet_file(folder, reason)
        path.unlink(missing_ok=True)  # that of an earlier run
        if of:
            draw_sheet(path, of, records, photos, most)
            aligned(path, f'{reason}: {count(min(len(of), most), "photo")}, the most suspicious first')
    after = ', before and after the decisions' if decisions else ''
    for file, draw, what in (
        ('review_sizes.png', draw_sizes, 'width and height of the pictures'),
        ('review_class_counts.png', draw_counts, 'photos in each class'),
    ):
        draw(folder / file, photos, decisions, name)
        aligned(folder / file, what + after)
    pictures = partial(encoded_pictures, records)
    write_page(page, name, records.classes, findings, pictures, decisions, most)
    aligned(page, 'the page to keep, drop or relabel the photos on')
    return page


def _reason(text: str) -> str:
    """An argparse type: a reason, with spaces or hyphens."""
    return text.replace('-', ' ').replace('_', ' ')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.curation.review', __doc__, loads_graphs=True)
    made.add_argument('name', type=plain_name, metavar='NAME', help='data set')
    made.add_argument('--classifier', type=Path, metavar='PB', help='frozen graph of an ImageNet classifier')
    made.add_argument(
        '--labels',
        type=Path,
        metavar='FILE',
        help='its classes, one a line (default: those inside PB, else the file PB with the suffix .txt)',
    )
    made.add_argument(
        '--wanted',
        metavar='FILE|LIST',
        help='the classes of the classifier that photos may look like: names between commas, or a file with '
        "one a line; 'cats' and 'dogs' are ImageNet's 7 cats and 125 dogs (default: the data set's classes)",
    )
    made.add_argument(
        '--iqr-factor',
        type=cli.real_number(0.1, 1000),
        default=odd_files.FACTOR,
        metavar='F',
        help='interquartile ranges from the quartiles to the fences of odd files (default: %(default)g)',
    )
    made.add_argument(
        '--only',
        type=_reason,
        choices=REASONS,
        nargs='+',
        default=REASONS,
        metavar='REASON',
        help=f'reasons to look for: {listed([one.replace(" ", "-") for one in REASONS])} (default: all)',
    )
    made.add_argument(
        '--most',
        type=cli.whole_number(1),
        default=MOST,
        metavar='N',
        help='findings of each reason on sheets and page, the most suspicious (default: %(default)s)',
    )
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.classifier is None:
        for flag in ('labels', 'wanted'):
            cli.require(getattr(args, flag) is None, f'--{flag} is about a --classifier: give that, too')
    records, decided = dataset.open_records(args.name), paths.decisions(args.name)
    decisions = read_decisions(decided, args.name) if decided.exists() else {}
    only = [reason for reason in REASONS if reason in args.only]
    classifier = None
    if args.classifier and unwanted.REASON in only:
        classifier = Classifier(args.classifier, args.labels, args.wanted, records.classes)
    photos = read_photos(records)
    findings, missing = review(records, photos, only, classifier, args.iqr_factor)
    report(findings, photos, missing, only)
    page = write_results(args.name, records, photos, findings, decisions, args.most)
    next_step(f'open {shlex.quote(paths.shown(page))}')


if __name__ == '__main__':
    errors.run(main)
