"""Export a frozen model as a SavedModel in TensorFlow Serving's layout.

    python -m src.freezing.frozen_to_saved_model
    python -m src.freezing.frozen_to_saved_model --model flowers --version 2

Writes frozen/saved_models/<model>/<version>/ with the signature `image_raw` (a batch of encoded
images, string [N]) to `probs` (float32 [N, classes]), and the class names as an asset, labels.txt.

A SavedModel decodes with TensorFlow only: JPEG, PNG, GIF (the first frame), BMP and WebP. Pictures that the
other commands decode with Pillow differ: EXIF orientation is not applied, transparency is not blended with
white, and 16-bit and CMYK pictures and TIFF may be refused.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from src.common import cli, errors, paths
from src.common.consts import SERVING_INPUT, SERVING_OUTPUT
from src.common.errors import UserError
from src.common.files import human_size, writing
from src.common.locks import at_work
from src.common.names import resolve_model
from src.common.progress import say, wrote
from src.common.tf1 import tf
from src.graph.batching import pixels_of_many
from src.graph.frozen import FrozenGraph, load_graph
from src.graph.graph_io import node_of, nodes_by_name
from src.graph.weights import put_weights
from src.records.age import remark_on_age
from src.records.next_commands import frozen_model

SCRATCH = '.writing-'  # prefix of unfinished folders
LABELS_ASSET = 'labels.txt'
LARGEST_VERSION = 2**63 - 1  # of TensorFlow Serving


def export(frozen: Path, folder: Path) -> Path:
    """Write the SavedModel of a frozen graph into `folder`, which must not exist yet.

    Raises UserError when it does, or when the file is no frozen classifier with labels.
    """
    if folder.exists():
        raise UserError(f'{paths.shown(folder)} is there already: choose another --version')
    model = load_graph(frozen)
    with writing(folder), _scratch_in(folder.parent) as scratch:
        asset = Path(scratch, LABELS_ASSET)
        asset.write_text('\n'.join(model.labels) + '\n', encoding='utf-8', newline='\n')
        part = Path(scratch, 'saved_model')
        _save(model, asset, part)
        part.rename(folder)
    return folder


@contextlib.contextmanager
def _scratch_in(folder: Path) -> Iterator[str]:
    """A temporary folder in `folder`. TensorFlow Serving watches it, so versions must appear complete."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH) as scratch:
        yield scratch


def _save(model: FrozenGraph, asset: Path, folder: Path) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.string, [None], name=SERVING_INPUT)
        pixels = _pixels(images, model)
        (probs,) = tf.import_graph_def(
            put_weights(model.graph_def, model.weights),
            input_map={model.preprocessing.pixels: pixels},
            return_elements=[model.output],
            name='model',
        )
        probs = tf.reshape(probs, [tf.shape(images)[0], probs.shape[-1]], name=SERVING_OUTPUT)
        tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, tf.constant(str(asset), name='labels_file'))
        signature = tf.saved_model.predict_signature_def({SERVING_INPUT: images}, {SERVING_OUTPUT: probs})
        builder = tf.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.tag_constants.SERVING],
            {tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
            assets_collection=tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS),
            strip_default_attrs=True,
        )
        builder.save()


def _pixels(images: tf.Tensor, model: FrozenGraph) -> tf.Tensor:
    """Pixels [N, height, width, 3] float32 of encoded images [N] in any format that TensorFlow decodes."""
    decoder = nodes_by_name(model.graph_def)[node_of(model.preprocessing.decoded)]
    dct_method = decoder.attr['dct_method'].s.decode()

    def decode(data: tf.Tensor) -> tf.Tensor:
        decoded = tf.cond(
            tf.io.is_jpeg(data),
            lambda: tf.image.decode_jpeg(data, channels=3, dct_method=dct_method),  # as in the graph
            lambda: tf.io.decode_image(data, channels=3, expand_animations=False),
        )
        decoded.set_shape([None, None, 3])
        return decoded

    return pixels_of_many(images, model.graph_def, model.preprocessing, decode)


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.freezing.frozen_to_saved_model', __doc__, loads_graphs=True)
    cli.add_name(made)
    cli.add_model(made, resolve_model)
    made.add_argument(
        '--version', type=cli.whole_number(1, LARGEST_VERSION), help='default: one more than the newest there'
    )
    made.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help=f'default: {paths.shown(paths.SAVED_MODELS_DIR)}/<model>',
    )
    args = made.parse_args(argv)
    model = cli.model_of(args)
    base = args.out or paths.SAVED_MODELS_DIR / model.name
    with at_work(base, goes_on=False):
        for rest in base.glob(f'{SCRATCH}*'):  # from an export that was killed
            shutil.rmtree(rest, ignore_errors=True)
        frozen = frozen_model(model, args.name)
        remark_on_age(frozen)
        folder = export(frozen, base / str(args.version or _next_version(base)))
    size = sum(f.stat().st_size for f in folder.rglob('*') if f.is_file())
    wrote(folder, f'SavedModel, {human_size(size)}: {SERVING_INPUT} [N] to {SERVING_OUTPUT} [N, classes]')
    say(
        'serve it: docker run -p 127.0.0.1:8501:8501 '
        f'-v {_shell_path(base)}:{shlex.quote(f"/models/{model.name}")} '
        f'-e MODEL_NAME={shlex.quote(model.name)} tensorflow/serving'
    )


def _shell_path(folder: Path) -> str:
    """A folder for a printed command. Docker needs an absolute path: "$PWD"/... in the working folder."""
    folder = folder.resolve()
    if not folder.is_relative_to(Path.cwd()):
        return shlex.quote(str(folder))
    below = folder.relative_to(Path.cwd()).as_posix()
    return f'"$PWD"/{shlex.quote(below)}'


def _next_version(base: Path) -> int:
    there = [int(f.name) for f in base.glob('*') if f.name.isdecimal()]
    return max(there, default=0) + 1


if __name__ == '__main__':
    errors.run(main)
