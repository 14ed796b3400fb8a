"""What a backbone is: a pretrained graph, where images enter it and where it is cut.

    python -m src.graph.backbones frozen/pocket/pocket_96.pb

prints the facts of a graph, and fails when it cannot serve as a backbone.
"""

from __future__ import annotations

import argparse
import math
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.progress import say
from src.common.tf1 import tf
from src.graph.batching import feed_batches
from src.graph.fronts import Front, ensure_front
from src.graph.graph_io import inferred, read_graph, require_tensor, subgraph
from src.graph.modernise import modernise
from src.graph.optimize import Rewrites, optimize


@dataclass(frozen=True)
class Backbone:
    """A graph from one encoded image, or a batch of pixels, to the bottleneck.

    `sha256` is that of the file; `graph_def` holds only what the bottleneck needs; `width` is the
    number of values of one bottleneck; `rewrites` tells how the graph was made faster.
    """

    path: Path
    sha256: str
    graph_def: tf.GraphDef
    front: Front
    bottleneck: str
    width: int
    pixel_range: tuple[float, float] | None = None
    rewrites: Rewrites | None = None

    def attach(self) -> tf.Tensor:
        """Import the backbone into the default graph under its own names.

        Returns the bottleneck, [N, width] float32: N images fed at `front.pixels`, or one image fed
        at `front.image`.
        """
        tf.import_graph_def(self.graph_def, name='')
        return flat(tf.get_default_graph().get_tensor_by_name(self.bottleneck))

    def facts(self) -> dict:
        """What a manifest and a model file say of the backbone."""
        return {
            'file': self.path.name,
            'path': paths.from_root(self.path),
            'sha256': self.sha256,
            'bottleneck': self.bottleneck,
            'width': self.width,
            'input_size': [self.front.height, self.front.width],
            'pixel_range': self.pixel_range and list(self.pixel_range),
        }


def flat(tensor: tf.Tensor) -> tf.Tensor:
    """A bottleneck as [N, width]: [N, 1, 1, width] reshaped, a larger map averaged over its places."""
    rank = tensor.shape.rank
    if rank == 4:
        return tf.reduce_mean(tensor, [1, 2], name='bottleneck')
    return tf.reshape(tensor, [tf.shape(tensor)[0], tensor.shape[-1]], name='bottleneck')


def load_backbone(
    path: Path,
    bottleneck: str = consts.BOTTLENECK_TENSOR,
    pixel_range: tuple[float, float] | None = None,
    faster: bool = True,
) -> Backbone:
    """Read a frozen graph and cut it at the tensor `bottleneck`.

    `pixel_range` is needed only for a graph that begins with a placeholder for pixels. Without
    `faster` the network stays as it was released, to compare with. Raises UserError when the file is
    no graph, lacks the tensor, or cannot take a batch of images.
    """
    path = paths.located(path)
    if not path.is_file():
        raise UserError(f'there is no backbone {paths.shown(path)}: {_how_to_get(path)}')
    bottleneck = bottleneck if ':' in bottleneck else bottleneck + ':0'
    whole = read_graph(path)
    require_tensor(whole, bottleneck, path)
    graph_def = modernise(subgraph(whole, [bottleneck]))
    if any(node.name == consts.OUTPUT_NODE_NAME for node in graph_def.node):
        raise UserError(
            f'{paths.shown(path)}: {bottleneck} needs {consts.OUTPUT_TENSOR_NAME}, the name that a new head '
            'answers by: choose a tensor before it'
        )
    graph_def, front = ensure_front(graph_def, bottleneck, path, pixel_range)
    graph_def = subgraph(feed_batches(graph_def, front), [bottleneck])
    width = _width(graph_def, bottleneck, path)
    rewrites = None
    if faster:
        keep = [bottleneck, front.image, front.decoded, front.pixels]
        graph_def, rewrites = optimize(graph_def, keep)
        rewrites = replace(rewrites, before=len(whole.node))
    return Backbone(path, files.sha256(path), graph_def, front, bottleneck, width, pixel_range, rewrites)


def _width(graph_def: tf.GraphDef, bottleneck: str, path: Path) -> int:
    """Values of one bottleneck, after checking that it stands for one image of a batch."""
    tensor = inferred(graph_def, bottleneck, path)
    if tensor.dtype != tf.float32 or tensor.shape.rank not in (2, 4) or tensor.shape[-1].value is None:
        raise UserError(
            f'{paths.shown(path)}: {bottleneck} is {tensor.dtype.name} {tensor.shape}, '
            'not float32 [N, width] or [N, h, w, width]'
        )
    if tensor.shape[0].value is not None:
        raise UserError(
            f'{paths.shown(path)}: {bottleneck} always holds {tensor.shape[0]} rows, however many the images '
            f'are; choose a tensor before it, such as {consts.BOTTLENECK_TENSOR}'
        )
    return tensor.shape[-1].value


def _how_to_get(path: Path) -> str:
    pocket = shlex.quote(paths.shown(paths.POCKET_GRAPH_DEF))
    if path.resolve() == paths.IMAGENET_GRAPH_DEF:
        return f'run sh setup/inception_download.sh, or use the small one with --backbone {pocket}'
    return f'--backbone takes the path of a frozen graph, such as {pocket}'


def number_range(text: str) -> tuple[float, float]:
    """An argparse type: '-1,1' as a pair."""
    try:
        low, high = map(float, text.split(','))
    except ValueError:
        low = high = 0.0
    if not -math.inf < low < high < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is no range such as -1,1')
    return low, high


def add_backbone(made, default: Path | None = paths.IMAGENET_GRAPH_DEF) -> None:
    """The flags that name a backbone."""
    made.add_argument(
        '--backbone',
        type=Path,
        metavar='PB',
        default=default,
        help=f'frozen graph (default: {paths.shown(default) if default else "none, pictures only"})',
    )
    made.add_argument(
        '--bottleneck',
        metavar='TENSOR',
        default=consts.BOTTLENECK_TENSOR,
        help='where the graph is cut (default: %(default)s)',
    )
    made.add_argument(
        '--pixel-range',
        type=number_range,
        metavar='LOW,HIGH',
        help='for a graph without an image decoder: range of its input pixels, such as --pixel-range=-1,1',
    )


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.graph.backbones', __doc__)
    made.add_argument('pb', type=Path, help='frozen graph')
    made.add_argument('--bottleneck', metavar='TENSOR', default=consts.BOTTLENECK_TENSOR)
    made.add_argument('--pixel-range', type=number_range, metavar='LOW,HIGH')
    args = made.parse_args(argv)
    backbone = load_backbone(args.pb, args.bottleneck, args.pixel_range)
    front = backbone.front
    say(f'{paths.shown(backbone.path)} is a backbone: {backbone.rewrites}')
    say(f'  encoded image   {front.image}')
    say(f'  pixels          {front.pixels}  [N, {front.height}, {front.width}, 3]')
    say(f'  bottleneck      {backbone.bottleneck}  [N, {backbone.width}]')
    say(f'  SHA-256         {backbone.sha256}')


if __name__ == '__main__':
    errors.run(main)
