"""What the commands of all converters share: flags, and what they report."""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from src.common import errors, files, paths
from src.common.errors import UserError
from src.common.files import count, listed
from src.common.progress import next_step, say, wrote
from src.data_preparation.conversion.convert import convert
from src.data_preparation.conversion.job import MANIFEST, Job
from src.data_preparation.splits import with_test_list
from src.graph import precision
from src.graph.backbone_flags import add_backbone
from src.graph.backbones import tried_from
from src.records.manifest import NOT_USED
from src.records.next_commands import to_train, usual_model


def add_conversion_flags(made: argparse.ArgumentParser, backbone: bool = True) -> None:
    """The flags that all converters share; without `backbone` there is none unless --backbone names it."""
    add_backbone(made, paths.IMAGENET_GRAPH_DEF if backbone else None)
    if backbone:
        made.add_argument(
            '--no-backbone',
            dest='backbone',
            action='store_const',
            const=None,
            help='records of the pictures alone, for networks that learn from pixels',
        )
    made.add_argument(
        '--precision',
        choices=precision.CHOICES,
        default='auto',
        help='what the backbone computes in (default: bfloat16 where the CPU has instructions for it, twice '
        'as fast; else float32)',
    )
    made.add_argument(
        '--overwrite', action='store_true', help='replace the records that an earlier, other conversion left'
    )


def add_test_list(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        '--test-list',
        type=Path,
        metavar='FILE',
        help='text file with the path of one photo a line: these and no others become the test split',
    )


def run(job: Job, args: argparse.Namespace) -> None:
    """What a converter's main does once it has its samples."""
    job = replace(
        job,
        converter=args.module.rpartition('.')[2],
        class_folders=getattr(args, 'class_folders', None),
    )
    if getattr(args, 'test_list', None):
        samples = with_test_list(job.samples, args.test_list, job.source)
        job = replace(job, samples=samples, split_by='test list')
    if args.backbone is None:
        report(convert(job, None, args.overwrite))
        return
    job = replace(job, precision=precision.resolve(args.precision))
    backbone = tried_from(args, args.backbone)
    say(f'{paths.shown(backbone.path)}: backbone loaded ({job.precision})')
    if errors.debugging():
        say(f'rewritten for speed: {backbone.rewrites}')
    report(convert(job, backbone, args.overwrite))


def report_skipped(manifest: dict) -> None:
    """Name what was not used, count what was skipped, and say where all of it is listed."""
    remarks = manifest['remarks']
    if not remarks:
        return
    by_reason: dict[str, list[str]] = defaultdict(list)
    for remark in remarks:
        if remark['outcome'] == NOT_USED:
            by_reason[remark['reason']].append(remark['file'])
    for reason, names in by_reason.items():
        say(f'  not used: {listed(names, 2)} ({reason})')
    outcomes = Counter(remark['outcome'] for remark in remarks)
    told = ', '.join(f'{count(number, "file")} {outcome}' for outcome, number in outcomes.items())
    wrote(paths.skipped(manifest['name']), f'{told}, with reasons')


def report(folder: Path) -> None:
    """Tell what a conversion made, and what comes next."""
    manifest = files.read_json(folder / MANIFEST)
    counts = ', '.join(f'{number:,} {split}' for split, number in manifest['counts'].items() if number)
    say(
        f'{count(sum(manifest["counts"].values()), "record")} of {len(manifest["classes"])} classes: {counts}'
    )
    for name in manifest['untrained']:
        say(f'  class {name} has no training photo: it cannot be learned')
    wrote(folder, f'records and {MANIFEST}')
    report_skipped(manifest)
    if not sum(manifest['counts'].values()):
        reasons = Counter(remark['reason'] for remark in manifest['remarks'])
        reason, times = reasons.most_common(1)[0] if reasons else ('there are no photos', 0)
        raise UserError(f'no photo could be converted; most often ({count(times, "photo")}): {reason}')
    next_step(to_train(manifest['name'], usual_model(manifest['name'])))
