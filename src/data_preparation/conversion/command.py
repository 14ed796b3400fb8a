"""What the commands of all converters share: flags, running the conversion, and the report at the end."""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.files import count, listed
from src.common.names import plain_name
from src.common.paths import MANIFEST
from src.common.progress import next_step, say, wrote
from src.data_preparation.conversion.add import add_bottlenecks
from src.data_preparation.conversion.convert import convert
from src.data_preparation.conversion.job import Job
from src.data_preparation.conversion.reviewed import check, read_review, summary
from src.data_preparation.folders import FLAG, INSIDE, TOP
from src.data_preparation.samples import Sample
from src.data_preparation.splits import with_test_list
from src.graph import precision
from src.graph.backbone_flags import Asked, add_backbone, asked
from src.graph.backbones import Backbone, tried
from src.graph.joined.join import join_backbones
from src.records.dataset import open_records
from src.records.manifest import NOT_USED, Remark
from src.records.next_commands import CONVERTERS, to_train, usual_model

OF_PHOTOS = ('review', 'overwrite', 'test_list', 'class_folders', 'no_backbone')  # not for records that stand


def converter_parser(
    converter: str, doc: str, data: str = '', metavar: str = 'DIR', backbone: bool = True
) -> argparse.ArgumentParser:
    """The argument parser of a converter's module.

    A converter with defaults in `CONVERTERS` takes --data (`data` and `metavar` are for its help) and --name;
    others take the folder of the class folders and require --name. Without `backbone` the default is to
    convert pictures only.
    """
    made = cli.parser(f'src.data_preparation.{converter}', doc, loads_graphs=True)
    if converter in CONVERTERS:
        folder, name = CONVERTERS[converter]
        made.add_argument(
            '--data',
            type=Path,
            metavar=metavar,
            default=folder,
            help=f'{data} (default: {paths.shown(folder)})',
        )
        made.add_argument(
            '--name', type=plain_name, default=name, help='name for this data set (default: %(default)s)'
        )
    else:
        made.add_argument('data', type=Path, metavar='DIR', nargs='?', help='folder of class folders')
        made.add_argument('--name', type=plain_name, required=True, help='name for this data set')
        made.add_argument(
            FLAG,
            choices=(TOP, INSIDE),
            help='which folders are the classes, where DIR can be read in two ways: those in DIR, or those '
            'inside them (DIR/train/cats)',
        )
    add_backbone(made, paths.IMAGENET_GRAPH_DEF if backbone else None)
    made.add_argument(
        '--mirror',
        action='store_true',
        help='compute the bottlenecks of the mirrored pictures too, for train --mirror',
    )
    made.add_argument(
        '--precision',
        choices=precision.OF_BACKBONES,
        default='auto',
        help='what the backbone computes in (default: bfloat16 where the CPU has instructions for it, twice '
        'as fast; else float32); int8 runs in LiteRT, and freeze then writes a .tflite file with the same '
        'int8 backbone, for phones and for fast starts',
    )
    made.add_argument(
        '--review',
        type=Path,
        metavar='FILE',
        help='decisions of a review (decisions.csv): photos to leave out, and labels to change; '
        'with --overwrite if the data set is converted',
    )
    made.add_argument(
        '--overwrite', action='store_true', help='replace the records of an earlier, different conversion'
    )
    return made


def add_test_list(made: argparse.ArgumentParser) -> None:
    """`--test-list`."""
    made.add_argument(
        '--test-list',
        type=Path,
        metavar='FILE',
        help='text file with the path of one photo a line: these and no others become the test split',
    )


def job_of(args: argparse.Namespace, source: Path, **settings: Any) -> Job:
    """The job that the flags of `converter_parser` describe; `settings` are further fields of it."""
    with_backbone = bool(asked(args))
    if args.mirror and not with_backbone:
        raise UserError('--mirror is for bottlenecks: choose a --backbone')
    return Job(
        args.name,
        source,
        precision=precision.resolve(args.precision) if with_backbone else 'float32',
        mirrored=args.mirror,
        converter=args.module.rpartition('.')[2],
        class_folders=getattr(args, 'class_folders', None),
        **settings,
    )


def run(
    args: argparse.Namespace, samples: Sequence[Sample], remarks: Sequence[Remark] = (), **settings: Any
) -> None:
    """Convert the samples of a data set as the flags say, and report. `settings` are fields of `Job`."""
    if getattr(args, 'test_list', None):
        samples = with_test_list(samples, args.test_list, args.data)
        settings['split_by'] = 'test list'
    if args.review:
        settings['review'] = read_review(args.review)
        check(settings['review'], samples, args.data)
    job = job_of(args, args.data, samples=samples, remarks=remarks, **settings)
    loaded = _loaded(asked(args), job.precision)
    backbone = join_backbones(loaded) if loaded else None
    report(convert(job, backbone, args.overwrite), paths.records(job.name))


def added(args: argparse.Namespace) -> bool:
    """Add bottlenecks to records that stand, if the flags of `converter_parser` ask for it, and report.
    Returns whether they do. Raises UserError also when they do not and name no folder of photos."""
    further = asked(args, 'add_backbone')
    if not further:
        if args.data is None:
            raise UserError(
                f'the folder of the photos is missing: python -m {args.module} DIR --name {args.name}'
            )
        return False
    if others := [flag for flag in OF_PHOTOS if getattr(args, flag, None)]:
        flag = others[0].replace('_', '-')
        raise UserError(
            f'--add-backbone takes the photos in the records as they are: leave out --{flag}, or convert '
            'again with --backbone'
        )
    records = open_records(args.name)
    records.width  # noqa: B018  (raises for records without a backbone)
    held = records.manifest['precision']
    if args.precision not in ('auto', held):
        raise UserError(
            f'{paths.shown(records.folder)} holds bottlenecks in {held}, and --add-backbone adds more of the '
            'same: leave out --precision, or convert again with --backbone'
        )
    loaded = _loaded(further, held)
    records = add_bottlenecks(records, loaded, args.mirror)
    say(f'{paths.shown(records.folder)} holds bottlenecks of {records.manifest["backbone"]["file"]}')
    report(records.manifest, records.folder)
    return True


def _loaded(wanted: Sequence[Asked], precision: str) -> list[Backbone]:
    """The backbones that flags ask for. Raises UserError."""
    backbones = []
    for one in wanted:
        backbones.append(tried(one))
        say(f'{paths.shown(one.path)}: backbone loaded ({precision})')
        if errors.debugging():
            say(f'rewritten for speed: {backbones[-1].rewrites}')
    return backbones


def report(manifest: dict, folder: Any, following: str = '') -> None:
    """Print what a conversion wrote to `folder` (a path, or a `Remote` of Beam's) and the next step:
    `following`, or the command that trains. Raises UserError when no photo could be converted."""
    number, remarks = sum(manifest['counts'].values()), manifest['remarks']
    splits = ', '.join(f'{records:,} {split}' for split, records in manifest['counts'].items())
    say(f'{count(number, "record")} of {len(manifest["classes"])} classes: {splits}')
    if review := manifest.get('review'):
        say(f'  review: {summary(review)}')
    for name in manifest['untrained']:
        say(f'  class {name} has no training photo: a model cannot learn it')
    if isinstance(folder, Path):
        wrote(folder, f'records and {MANIFEST}')
    else:
        say(f'  {folder}  records and {MANIFEST}')
    if remarks:
        _report_remarks(remarks, paths.skipped(manifest['name']))
    if not number:
        reasons = Counter(remark['reason'] for remark in remarks)
        reason, times = reasons.most_common(1)[0] if reasons else ('there are no photos', 0)
        raise UserError(f'no photo could be converted; most often ({count(times, "photo")}): {reason}')
    next_step(following or to_train(manifest['name'], usual_model(manifest['name'])))


def _report_remarks(remarks: Sequence[dict], path: Path) -> None:
    """Name what was not used, count the files with each outcome, and name the list of all remarks."""
    not_used: dict[str, list[str]] = defaultdict(list)
    for remark in remarks:
        if remark['outcome'] == NOT_USED:
            not_used[remark['reason']].append(remark['file'])
    for reason, names in not_used.items():
        say(f'  not used: {listed(names, 2)} ({reason})')
    outcomes = Counter(remark['outcome'] for remark in remarks)
    counts = ', '.join(f'{count(number, "file")} {outcome}' for outcome, number in outcomes.items())
    wrote(path, f'{counts}, with reasons')
