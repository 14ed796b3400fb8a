"""A folder of class folders to TFRecords with cached bottlenecks, on many processes or machines.

    python -m src.data_preparation.beam_to_tfrecords photos --name flowers \\
        --backbone frozen/pocket/pocket.pb --direct_running_mode=multi_processing --direct_num_workers=2

Writes the same records as image_folder_to_tfrecords, with an Apache Beam pipeline. DIR, --backbone and
--output may be URLs that Beam reads (gs://, s3://, hdfs://). Options of Beam, such as
--runner=DataflowRunner, go last and as --option=value; without a runner everything runs on this machine.
Needs Apache Beam (the extra `scale`). Stop it at any time: the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.common import commands, errors, paths
from src.common.errors import UserError
from src.common.locks import at_work
from src.common.paths import MANIFEST
from src.data_preparation.conversion.add import add_bottlenecks
from src.data_preparation.conversion.command import added, converter_parser, job_of, report
from src.data_preparation.conversion.job import write_skipped
from src.data_preparation.conversion.reviewed import read_review
from src.graph.backbone_flags import asked
from src.graph.backbones import tried
from src.graph.joined.facts import joined, with_fields
from src.records.dataset import open_records

LOCAL_RUNNERS = ('fnapirunner', 'directrunner')


def main(argv: list[str] | None = None) -> None:
    args, beam_flags = _parse(argv)
    if added(args):
        return
    with _quiet():
        folder = _convert(args, beam_flags)
        manifest = folder.read_json(MANIFEST)
    write_skipped(manifest)
    local = isinstance(folder.place, Path)
    if args.mirror and not manifest.get('mirrored'):
        manifest = _with_mirrored(args.name, folder.place)
    copy = '' if local else f'copy that folder to {paths.shown(paths.records(args.name))}'
    report(manifest, folder.place, following=copy)


def _convert(args: argparse.Namespace, beam_flags: list[str]):
    """Run the pipeline. Returns the `RecordsFolder` that it wrote."""
    try:
        import apache_beam  # noqa: F401  (an extra, and seconds to import)
    except ModuleNotFoundError as error:
        raise UserError(f'Apache Beam is missing: run {commands.to_install("scale")}') from error
    from apache_beam.io.filesystems import FileSystems

    from src.data_preparation.beam.files import RecordsFolder, local_copy, place
    from src.data_preparation.beam.pipeline import Task, run

    runner, options = _runner_and_options(beam_flags)
    FileSystems.set_options(options)  # some file systems take their credentials and addresses from them
    pbs = [place(one.path) for one in asked(args)]
    facts = []
    for pb, one in zip(pbs, asked(args), strict=True):
        with local_copy(pb) as path:
            facts.append(tried(one, path).facts())
        if not isinstance(pb, Path):
            facts[-1]['path'] = str(pb)
    backbone = with_fields(joined(facts)) if facts else None
    folder = RecordsFolder(place(args.output or paths.records(args.name)))
    review = read_review(args.review) if args.review else None
    job = job_of(args, place(args.data), review=review)
    local = isinstance(folder.place, Path)
    with at_work(folder.place) if local else errors.resumes():
        run(Task(job, pbs, backbone, folder, args.overwrite), options, runner)
    return folder


def _with_mirrored(name: str, folder: Path | Any) -> dict:
    """The manifest of records of an earlier run, with the bottlenecks of the mirrored pictures added. Raises
    UserError for records elsewhere."""
    if folder != paths.records(name):
        raise UserError(
            f'{folder} holds no bottlenecks of mirrored pictures: add --overwrite to compute them'
        )
    return add_bottlenecks(open_records(name), mirrored=True).manifest


def _parse(argv: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """The command's own flags, and the remaining ones, which are for Beam."""
    made = converter_parser('beam_to_tfrecords', __doc__)
    records = paths.shown(paths.RECORDS_DIR)
    made.add_argument('--output', metavar='FOLDER', help=f'folder for the records (default: {records}/NAME)')
    return made.parse_known_args(argv)


def _runner_and_options(flags: list[str]):
    """The runner and the options that the flags for Beam describe. Raises UserError for unknown flags."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.runners.portability.fn_api_runner.fn_runner import (
        ExtendedProvisionInfo,
        beam_provision_api_pb2,
    )
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    if not errors.debugging():
        flags = ['--default_sdk_harness_log_level=CRITICAL', *flags]
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message):
            options = PipelineOptions(flags)
            known, given = options.get_all_options(), options.get_all_options(retain_unknown_options=True)
    except SystemExit as error:
        raise UserError(f'Apache Beam: {message.getvalue().strip().splitlines()[-1]}') from error
    if (options.view_as(StandardOptions).runner or 'DirectRunner').lower() not in LOCAL_RUNNERS:
        return None, options  # a remote runner may know more options
    if unknown := sorted(given.keys() - known.keys()):
        raise UserError(f'unknown option --{unknown[0]}, which Apache Beam does not know either: see --help')
    # Beam's DirectRunner may download another runner (Prism) and hand the work to it; this one does not.
    info = beam_provision_api_pb2.ProvisionInfo(
        pipeline_options=JobServiceHandle.encode_pipeline_options(known)
    )
    return FnApiRunner(provision_info=ExtendedProvisionInfo(info)), options


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Beam's log, and file descriptor 2: local workers inherit it and print tracebacks there, whose
    last line this command reports. With --debug nothing is suppressed."""
    if errors.debugging():
        os.environ['ROOTSTOCK_DEBUG'] = '1'  # for the workers
        logging.basicConfig(level=logging.INFO)
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open('wb') as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        logging.disable(before)


if __name__ == '__main__':
    errors.run(main)
