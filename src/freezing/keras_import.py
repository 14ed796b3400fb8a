"""Make a frozen graph of a network of keras.applications, or of your own Keras classifier.

    python -m src.freezing.keras_import VGG19                          # ImageNet weights, downloaded by Keras
    python -m src.freezing.keras_import ResNet50 --weights resnet50_weights_tf_dim_ordering_tf_kernels.h5
    python -m src.freezing.keras_import MobileNetV2 --weights none     # random weights
    python -m src.freezing.keras_import --list
    python -m src.freezing.keras_import --keras flowers.keras --labels flowers.txt

A network of keras.applications becomes frozen/<network>.pb: decoding, resizing to the network's own input
size, its own preprocessing (`preprocess_input` of Keras), the network, the bottleneck pool_3:0 and, if the
class names are known, output_node:0 with 1,000 probabilities. It is a backbone for the converters
(--backbone frozen/VGG19.pb), and with its classes classify takes it too. Keras downloads the class names;
without them, and without --labels, the file ends at the bottleneck.

Your own classifier takes one image [N, height, width, 3] and returns a softmax, logits, or one sigmoid unit.
Python code in its file (Lambda layers) is never run.

The graph is compared with Keras before the file gets its name.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from src import __version__
from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count, human_size
from src.common.locks import at_work
from src.common.names import default_name
from src.common.progress import next_step, say, wrote
from src.freezing.keras.child import BOTTLENECK, CHECK_PICTURES, OUTPUT
from src.freezing.keras.labels import class_names
from src.freezing.keras.process import ask
from src.freezing.keras.whole_graph import difference, write_whole

IMAGENET, RANDOM = 'imagenet', 'none'
POOLINGS = ('avg', 'flatten')


def list_networks() -> list[str]:
    """The names of the classification networks in keras.applications."""
    with tempfile.TemporaryDirectory() as folder:
        return ask(Path(folder), action='list')['networks']


def import_network(
    name: str, out: Path, weights: str = IMAGENET, pooling: str = POOLINGS[0], labels: Path | None = None
) -> dict[str, Any]:
    """Write a network of keras.applications as a frozen graph to `out`.

    weights: 'imagenet', 'none' (random), or the path of a file that Keras saved.
    pooling: of the bottleneck, 'avg' for [N, C] or 'flatten' for [N, H * W * C].
    labels: file with the names of the classes.

    Returns the reply of Keras, with `labels` and `difference`. Raises UserError when Keras has no such
    network, cannot download its weights, or the file holds those of another network.
    """
    given = {IMAGENET: IMAGENET, RANDOM: None}.get(weights, weights)
    if given == weights and given != IMAGENET:
        _require_file(Path(weights))
    request = {'action': 'network', 'name': name, 'weights': given, 'pooling': pooling}
    facts = {'model': name, 'weights': weights if weights in (IMAGENET, RANDOM) else Path(weights).name}
    return _import(request | {'labels': labels is not None}, out, labels, facts | {'pooling': pooling})


def import_model(
    file: Path, out: Path, labels: Path, pixel_range: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Write a user's Keras classifier as a frozen graph to `out`.

    labels: file with the names of the classes; of one sigmoid unit, those of 0 and of 1.
    pixel_range: of the input of the model; 0 to 255 by default.

    Returns what `import_network` does. Raises UserError when the file holds no image classifier.
    """
    _require_file(file)
    request = {'action': 'user_model', 'file': str(file), 'pixel_range': pixel_range}
    facts = {'model': file.stem, 'weights': file.name, 'pixel_range': list(pixel_range or (0, 255))}
    return _import(request, out, labels, facts)


def _import(request: dict[str, Any], out: Path, file: Path | None, facts: dict[str, Any]) -> dict[str, Any]:
    names = class_names(file) if file else []
    with tempfile.TemporaryDirectory(prefix='rootstock-keras-') as folder:
        reply = ask(Path(folder), **request)
        names = names or reply.get('labels') or []
        _require_labels(names, reply, file)
        info = _model_info(facts, reply)
        with files.atomic_path(out) as part:
            write_whole(Path(folder), names, info, part)
            reply['difference'] = difference(part, Path(folder))
    return reply | {'labels': names}


def _require_file(file: Path) -> None:
    if not file.is_file():
        raise UserError(f'there is no file {paths.shown(file)}')


def _require_labels(names: list[str], reply: dict[str, Any], file: Path | None) -> None:
    classes = reply['widths'].get(OUTPUT, 0)
    if file and not classes:
        raise UserError(
            f'these weights are without the classifier (include_top=False): leave --labels {file} out'
        )
    if classes != len(names):
        raise UserError(
            f'{paths.shown(file)} has {count(len(names), "label")}, and the network has {classes:,} classes'
        )


def _model_info(facts: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    width = reply['widths'].get(BOTTLENECK)
    return {
        **facts,
        **({'bottleneck': consts.BOTTLENECK_TENSOR, 'width': width} if width else {}),
        'source': 'Keras',
        'input_size': reply['input_size'],
        'made': datetime.now(timezone.utc).date().isoformat(),
        'versions': {'rootstock': __version__, 'keras': reply['keras']},
    }


def main(argv: list[str] | None = None) -> None:
    args = _parsed(argv)
    if args.list:
        for name in list_networks():
            say(name)
        return
    out = args.out or paths.frozen(default_name(args.keras.stem, '--out') if args.keras else args.network)
    if not args.out and paths.checkpoints(out.stem).exists():
        raise UserError(f'{paths.shown(out)} is the file of the model {out.stem}, trained here: give --out')
    with at_work(out, goes_on=False):
        files.remove_leftovers(out)
        if args.keras:
            reply = import_model(args.keras, out, args.labels, args.pixel_range)
        else:
            say(
                f'{args.network}: Keras builds the network'
                + (' and downloads its weights' if args.weights == IMAGENET else '')
            )
            reply = import_network(args.network, out, args.weights, args.pooling, args.labels)
    _report(args, out, reply)


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.freezing.keras_import', __doc__, loads_graphs=True)
    made.add_argument(
        'network', nargs='?', metavar='NETWORK', help='name in keras.applications, such as VGG19'
    )
    made.add_argument('--list', action='store_true', help='print the names of all networks')
    made.add_argument(
        '--weights',
        metavar='imagenet|none|FILE',
        help='ImageNet weights (default), random ones, or a file that Keras saved: .h5, .weights.h5, .keras',
    )
    made.add_argument(
        '--pooling',
        choices=POOLINGS,
        help='bottleneck: the last feature map averaged over height and width (default), or flattened',
    )
    made.add_argument('--keras', type=Path, metavar='FILE', help='your own classifier, .keras or .h5')
    made.add_argument(
        '--pixel-range',
        type=cli.number_range,
        metavar='LOW,HIGH',
        help='with --keras: range of the pixels it was trained on, if it does not scale them itself: '
        '0,255 (default), 0,1 or --pixel-range=-1,1',
    )
    made.add_argument(
        '--labels',
        type=Path,
        metavar='FILE',
        help="class names in output order, one a line; or Keras' imagenet_class_index.json",
    )
    made.add_argument('--out', type=Path, metavar='PB', help='default: frozen/<network>.pb')
    args = made.parse_args(argv)
    if bool(args.network) + bool(args.keras) + args.list != 1:
        made.error('give a NETWORK, or --keras FILE, or --list')
    if args.keras and (args.weights or args.pooling):
        made.error('--weights and --pooling are for networks of keras.applications')
    if args.keras and not args.labels:
        made.error('--keras needs --labels FILE: the class names in output order, one a line')
    if args.pixel_range and not args.keras:
        made.error('--pixel-range is for --keras')
    args.weights, args.pooling = args.weights or IMAGENET, args.pooling or POOLINGS[0]
    return args


def _report(args: argparse.Namespace, out: Path, reply: dict[str, Any]) -> None:
    found = f'maximum difference {reply["difference"]:.1e}'
    say(f'checked on {CHECK_PICTURES} pictures: same output as Keras ({found})')
    if fault := reply.get('no_labels'):
        say(f'no class names, backbone only: {fault}; --labels FILE adds the classifier')
    elif args.network and not reply['labels']:
        why = 'no class names (--labels FILE)' if reply['classifies'] else 'weights without the classifier'
        say(f'{why}: backbone only')
    if args.keras and not reply['scales_pixels'] and not args.pixel_range:
        say('it gets pixels of 0 to 255: if it was trained on others, add --pixel-range=0,1 or =-1,1')
    height, width = reply['input_size']
    parts = [f'{height} x {width} pixels']
    parts += [f'bottleneck [N, {reply["widths"][BOTTLENECK]:,}]'] if args.network else []
    parts += [count(len(reply['labels']), 'class', 'classes')] if reply['labels'] else []
    wrote(out, f'{human_size(out.stat().st_size)}: {", ".join(parts)}')
    file = shlex.quote(paths.shown(out))
    if args.network:
        next_step(
            f'python -m src.data_preparation.image_folder_to_tfrecords DIR --name NAME --backbone {file}'
        )
    else:
        next_step(f'python -m src.inference.classify PHOTO.jpg --model {file}')


if __name__ == '__main__':
    errors.run(main)
