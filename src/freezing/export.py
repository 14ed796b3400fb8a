"""Export a frozen model for other runtimes: as .tflite for LiteRT, which starts in a tenth of a second and
runs on phones, Raspberry Pis and web pages; or as ONNX.

    python -m src.freezing.export --model flowers
    python -m src.freezing.export --model flowers --precision int8
    python -m src.freezing.export --model frozen/VGG19.pb --precision int8 --calibration photos/
    python -m src.freezing.export --model flowers --format onnx

Writes frozen/<model>.tflite or frozen/<model>.onnx, beside the frozen graph: the network from pixels
[1, height, width, 3] to probabilities [1, classes], both float32. Class names, the facts of the model and the
steps from a picture to its pixels are in the file too. `classify` and `serve` take a .tflite like a .pb.

--precision float16 halves the file. int8 makes it a quarter of that in float32, and the network faster:
weights and activations of the backbone have 8 bits, the head stays in float32.

Before the file gets its name its probabilities are compared with those of the frozen graph, on photos of the
data set that the model was trained on, or of --calibration.

For TensorFlow Serving there is python -m src.freezing.frozen_to_saved_model.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np

from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.files import count, human_size, listed
from src.common.locks import at_work
from src.common.names import resolve_model
from src.common.progress import next_step, progress, remark, say, wrote
from src.freezing.exporting import onnx_format, tflite_format
from src.freezing.exporting.agreement import TOLERANCE, Agreement, compare
from src.freezing.exporting.photos import CALIBRATION, Photos, find_photos
from src.graph.frozen import FrozenGraph, load_graph
from src.graph.joined.facts import members
from src.graph.lite.package import LITE, SUFFIX, read_package
from src.graph.lite.steps import KEY, steps_of
from src.graph.preprocessing.find import decodes_roughly
from src.inference.runtimes.tensorflow import TensorFlowPredictor
from src.records.age import remark_on_age
from src.records.next_commands import frozen_model, to_freeze

FORMATS = {'tflite': tflite_format, 'onnx': onnx_format}
MOST_LOST = 0.01  # top-1: if int8 loses more, float16 is recommended
INT8 = 'int8'


def export(
    frozen: Path,
    path: Path,
    form: ModuleType = tflite_format,
    precision: str = 'float32',
    given: str | None = None,
) -> tuple[Agreement, Photos]:
    """Write the frozen model `frozen` to `path` in a format (a module of `exporting`), and prove it before
    the file gets its name.

    given: name of a data set, or a folder of photos; None: the data set that the model was trained on.

    Raises UserError when the model cannot be converted, when there are no photos, and when a float32 model
    does not give the probabilities of the graph.
    """
    errors.require_packages(form.EXTRA, *form.PACKAGES)
    model = load_graph(frozen)
    cli.require(path != frozen, f'{paths.shown(frozen)} would be replaced: rename it to {frozen.stem}.pb')
    if precision == INT8:
        _leave_to_freeze(model, frozen)
    if decodes_roughly(model.graph_def, model.preprocessing):
        remark(
            f'{paths.shown(frozen)} decodes JPEGs less accurately than Pillow: for photos the answers of '
            'both files differ by a little more than is said below'
        )
    photos = find_photos(given, model.info, model.labels)
    steps = steps_of(model.graph_def, model.preprocessing, frozen)
    with closing(TensorFlowPredictor(model)) as predictor:
        calibration = _calibration(photos, predictor) if precision == INT8 else []
        network = form.converted(model, frozen, precision, calibration)
        facts = {'precision': precision, 'graph_sha256': files.sha256(frozen)}
        if calibration:
            facts['calibration'] = {'photos': len(calibration), 'of': photos.folder.resolve().name}
        info = model.info | {KEY: steps, LITE: facts}
        with files.atomic_path(path) as part:
            form.write(part, network, model.labels, info)
            agreement = compare(predictor, form.opened(part), photos)
            _require_same(agreement, frozen, precision)
            facts['agreement'] = agreement.facts()
            form.write(part, network, model.labels, info)
    return agreement, photos


def _leave_to_freeze(model: FrozenGraph, frozen: Path) -> None:
    """Raise UserError for a model that was trained on the bottlenecks of one int8 backbone: `freeze` writes
    its .tflite with that very backbone."""
    info = model.info
    if info.get('precision') == INT8 and len(members(info.get('backbone'))) == 1:
        raise UserError(
            f'{paths.shown(frozen)} was trained on int8 bottlenecks, and has to keep the int8 backbone that '
            f'computed them: {to_freeze(info["data_set"], info["model"])} writes this .tflite'
        )


def _calibration(photos: Photos, predictor: TensorFlowPredictor) -> list[np.ndarray]:
    pixels = []
    with progress(CALIBRATION, 'reading photos to calibrate on', 'photos') as bar:
        for one, _ in photos.pixels(photos.calibration, predictor.reader):
            pixels.append(one)
            bar.update()
    if not pixels:
        why = next(iter(photos.skipped.values()), 'there are none')
        raise UserError(
            f'int8 is calibrated on photos, and none of {paths.shown(photos.folder)} can be read ({why})'
        )
    return pixels


def _require_same(agreement: Agreement, frozen: Path, precision: str) -> None:
    if precision == 'float32' and agreement.difference > TOLERANCE:
        raise UserError(
            f'the exported model does not give the probabilities of {paths.shown(frozen)}: they differ by '
            f'{agreement.difference:.1e}, more than {TOLERANCE:.0e}; it was not kept'
        )


def main(argv: list[str] | None = None) -> None:
    args = _parsed(argv)
    form = FORMATS[args.format]
    errors.require_packages(form.EXTRA, *form.PACKAGES)
    frozen = frozen_model(cli.model_of(args), args.name)
    remark_on_age(frozen)
    path = _beside(frozen, form.SUFFIX)
    with at_work(path, goes_on=False):
        files.remove_leftovers(path)
        _remark_on_replaced(path, args.precision)
        agreement, photos = export(frozen, path, form, args.precision, args.calibration)
    _report(frozen, path, args.precision, agreement, photos)
    if args.format == 'tflite':
        next_step(f'python -m src.inference.classify PHOTO.jpg --model {shlex.quote(paths.shown(path))}')


def _remark_on_replaced(path: Path, precision: str) -> None:
    """Print a line if a file of another precision gets replaced."""
    with contextlib.suppress(UserError):
        before = read_package(path).precision if path.suffix == SUFFIX and path.is_file() else None
        if before not in (None, precision):
            remark(f'{paths.shown(path)} is in {before}: one in {precision} will replace it')


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.freezing.export', __doc__, loads_graphs=True)
    cli.add_name(made)
    cli.add_model(made, resolve_model)
    made.add_argument('--format', choices=FORMATS, default='tflite', help='default: tflite')
    made.add_argument(
        '--precision',
        choices=tflite_format.PRECISIONS,
        default='float32',
        help='of the weights, and in int8 of the activations too (default: float32)',
    )
    made.add_argument(
        '--calibration',
        metavar='NAME|FOLDER',
        help='photos to calibrate int8 on, and to compare with the graph on: a data set, or a folder of '
        'photos like those to be classified (default: the data set that the model was trained on)',
    )
    args = made.parse_args(argv)
    if args.precision not in FORMATS[args.format].PRECISIONS:
        made.error(f'--format {args.format} is written in {", ".join(FORMATS[args.format].PRECISIONS)} only')
    return args


def _beside(frozen: Path, suffix: str) -> Path:
    """The exported file of a frozen one: beside it, or in frozen/ for the model in an installed package."""
    folder = paths.FROZEN_MODELS_DIR if paths.INSTALLED and frozen == paths.POCKET_DOGS else frozen.parent
    return folder / frozen.with_suffix(suffix).name


def _report(frozen: Path, path: Path, precision: str, agreement: Agreement, photos: Photos) -> None:
    if photos.skipped:
        named = listed([f'{name} ({reason})' for name, reason in photos.skipped.items()], 2)
        say(f'{count(len(photos.skipped), "photo")} left out, which cannot be read: {named}')
    say(
        f'compared with {paths.shown(frozen)} on {agreement.photos:,} {agreement.what}: same class for '
        f'{agreement.same_top_1:.2%}, maximum difference of a probability {agreement.difference:.1e} '
        f'(of the class {agreement.mean_difference:.1e} on average)'
    )
    if agreement.top_1:
        graph, exported = agreement.top_1['graph'], agreement.top_1['exported']
        say(f'top-1: {graph:.2%} before, {exported:.2%} exported ({100 * (exported - graph):+.2f} points)')
        if graph - exported > MOST_LOST and precision == INT8:
            say(
                'int8 costs this model much: --precision float16 is as exact as float32 in half the bytes; '
                'photos more like those to be classified may calibrate better (--calibration)'
            )
    wrote(
        path, f'{human_size(path.stat().st_size)}: {precision} network, labels and preprocessing in one file'
    )


if __name__ == '__main__':
    errors.run(main)
