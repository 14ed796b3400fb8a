"""A folder of class folders to TFRecords with cached bottlenecks, on many processes or machines.

    python -m src.data_preparation.beam_to_tfrecords photos --name flowers \\
        --backbone frozen/pocket/pocket_96.pb --direct_running_mode=multi_processing --direct_num_workers=2

Does what image_folder_to_tfrecords does, as an Apache Beam pipeline, and writes the same records.
DIR, --backbone and --output may be URLs that Beam reads (gs://, s3://, hdfs://). Options of Beam,
such as --runner=DataflowRunner, go last and as --option=value; without a runner all work is done on this
machine. Needs Apache Beam (the extra `scale`). Stop it at any time: the same command goes on
where it was.
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

from src.common import cli, commands, errors, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.locks import at_work
from src.common.names import plain_name
from src.common.progress import say
from src.data_preparation.conversion.command import add_conversion_flags, report, report_skipped
from src.data_preparation.conversion.job import MANIFEST, Job, list_skipped
from src.data_preparation.image_folder_to_tfrecords import add_class_folders
from src.graph import precision
from src.graph.backbones import tried_from

LOCAL_RUNNERS = ('fnapirunner', 'directrunner')


def main(argv: list[str] | None = None) -> None:
    args, beam_flags = _parse(argv)
    with _quiet():
        folder = _convert(args, beam_flags)
        manifest = folder.read_json(MANIFEST)
    list_skipped(args.name, manifest['remarks'])
    if isinstance(folder.place, Path):
        report(folder.place)
    else:
        say(f'{count(sum(manifest["counts"].values()), "record")} of {len(manifest["classes"])} classes')
        say(f'  {folder.place}   records and {MANIFEST}')
        report_skipped(manifest)
        say(f'next: copy that folder to {paths.shown(paths.records(args.name))}')


def _convert(args: argparse.Namespace, beam_flags: list[str]):
    """Run the pipeline; returns the RecordsFolder that it wrote."""
    try:
        import apache_beam  # noqa: F401  (an extra, and seconds to import)
    except ModuleNotFoundError as error:
        raise UserError(f'Apache Beam is missing: run {commands.to_install("scale")}') from error
    from apache_beam.io.filesystems import FileSystems

    from src.data_preparation.beam.files import RecordsFolder, local_copy, place
    from src.data_preparation.beam.pipeline import Task, run

    runner, options = _runner_and_options(beam_flags)
    FileSystems.set_options(options)  # some find their keys and addresses there
    pb, facts = args.backbone and place(args.backbone), None
    if pb is not None:
        with local_copy(pb) as path:
            facts = tried_from(args, path).facts()
        if not isinstance(pb, Path):
            facts['path'] = str(pb)
    folder = RecordsFolder(place(args.output or paths.records(args.name)))
    job = Job(
        args.name,
        place(args.dir),
        (),
        precision=precision.resolve(args.precision),
        converter='beam_to_tfrecords',
        class_folders=args.class_folders,
    )
    local = isinstance(folder.place, Path)
    with at_work(folder.place) if local else errors.resumes():
        run(Task(job, pb, facts, folder, args.overwrite, args.class_folders), options, runner)
    return folder


def _parse(argv: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Our own flags, and what is left for Beam."""
    made = cli.parser('src.data_preparation.beam_to_tfrecords', __doc__)
    made.add_argument('dir', metavar='DIR', help='folder of class folders')
    made.add_argument('--name', type=plain_name, required=True, help='name for this data set')
    records = paths.shown(paths.RECORDS_DIR)
    made.add_argument('--output', metavar='FOLDER', help=f'folder for the records (default: {records}/NAME)')
    add_class_folders(made)
    add_conversion_flags(made)
    return made.parse_known_args(argv)


def _runner_and_options(flags: list[str]):
    """What Beam makes of its own flags. Raises UserError when it does not understand them."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.runners.portability.fn_api_runner.fn_runner import (
        ExtendedProvisionInfo,
        beam_provision_api_pb2,
    )
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    if not errors.debugging():
        flags = ['--default_sdk_harness_log_level=CRITICAL', *flags]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options = PipelineOptions(flags)
            known, given = options.get_all_options(), options.get_all_options(retain_unknown_options=True)
    except SystemExit as error:
        raise UserError(f'Apache Beam: {complaint.getvalue().strip().splitlines()[-1]}') from error
    if (options.view_as(StandardOptions).runner or 'DirectRunner').lower() not in LOCAL_RUNNERS:
        return None, options  # its job server may know more options
    if unknown := sorted(given.keys() - known.keys()):
        raise UserError(f'neither this command nor Apache Beam knows --{unknown[0]}: --help shows the way')
    # Beam's DirectRunner may fetch another program from the network and leave the work to that.
    told = beam_provision_api_pb2.ProvisionInfo(
        pipeline_options=JobServiceHandle.encode_pipeline_options(known)
    )
    return FnApiRunner(provision_info=ExtendedProvisionInfo(told)), options


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No log of Beam's, and nothing on file descriptor 2: workers of this machine inherit it and print their
    tracebacks there, of which the last line comes back to us. With --debug all is shown."""
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
