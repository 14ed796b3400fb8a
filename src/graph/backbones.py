"""Load a frozen graph as a backbone: a pretrained network, cut at the bottleneck.

    python -m src.graph.backbones frozen/pocket/pocket.pb

prints the facts of a graph, and fails when it cannot be used as a backbone. The graph is run on three test
pictures, one by one and as a batch.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.names import frozen_of
from src.common.progress import say
from src.common.tf1 import tf
from src.graph.backbone_flags import NO_CHANGES, Asked, Changes, add_graph_flags
from src.graph.batching import feed_batches
from src.graph.checks.accepted import import_graph, names_faults
from src.graph.checks.consistency import Fault, find_fault
from src.graph.checks.frozen_check import frozen_part
from src.graph.graph_io import inferred, new_names, node_of, read_graph, renamed, require_tensor, subgraph
from src.graph.joined import facts as facts_of
from src.graph.layout import channel_axis as channel_axis_of
from src.graph.model_info import INFO_NODE, LABELS_NODE
from src.graph.preprocessing.find import Preprocessing, ensure_preprocessing
from src.graph.preprocessing.placeholders import with_values
from src.graph.rewrites.branches import without_decided_branches
from src.graph.rewrites.inference_mode import NothingToChange, in_inference_mode
from src.graph.rewrites.modernize import modernize
from src.graph.rewrites.optimize import Rewrites, optimize

# Names of nodes that a frozen model has beside its backbone.
RESERVED = (consts.OUTPUT_NODE_NAME, LABELS_NODE, INFO_NODE)


@dataclass(frozen=True)
class Backbone:
    """A graph from one encoded image, or a batch of pixels, to the bottleneck.

    sha256: of the file.
    graph_def: the part of the graph that the bottleneck depends on.
    bottleneck: the tensor in `graph_def`; its name in the file is `cut`, which may differ.
    width: number of values of the bottleneck of one image.
    pixel_range: as given to `load_backbone`.
    rewrites: summary of the optimization of the graph; None when it was not optimized.
    channel_axis: axis of the bottleneck that has size `width`; 1 for a feature map in NCHW.
    changes: those that were asked for.
    joined: the backbones that this one joins (joined/join.py), none usually.
    """

    path: Path
    sha256: str
    graph_def: tf.GraphDef
    preprocessing: Preprocessing
    bottleneck: str
    width: int
    pixel_range: tuple[float, float] | None = None
    rewrites: Rewrites | None = None
    channel_axis: int = -1
    changes: Changes = NO_CHANGES
    cut: str = ''
    joined: tuple[Backbone, ...] = ()

    @property
    def name(self) -> str:
        """Its file without the suffix, for messages."""
        return ' + '.join(backbone.path.stem for backbone in self.joined or [self])

    def attach(self) -> tf.Tensor:
        """Import the backbone into the default graph under its own names.

        Returns the bottlenecks [N, width] float32 of N images fed at `preprocessing.pixels`, or of one
        encoded image fed at `preprocessing.image`.
        """
        import_graph(self.graph_def, name='')
        return flat(tf.get_default_graph().get_tensor_by_name(self.bottleneck), self.channel_axis)

    def facts(self) -> dict:
        """The entries for the backbone in a manifest and in `model_info` (joined/facts.py)."""
        if self.joined:
            together = facts_of.joined([backbone.facts() for backbone in self.joined])
            return facts_of.with_fields(together)
        return {
            'file': self.path.name,
            'path': paths.from_root(self.path),
            'sha256': self.sha256,
            'bottleneck': self.cut or self.bottleneck,
            'width': self.width,
            'input_size': [self.preprocessing.height, self.preprocessing.width],
            'pixel_range': self.pixel_range and list(self.pixel_range),
            **self.changes.facts(),
        }


def flat(tensor: tf.Tensor, channel_axis: int = -1) -> tf.Tensor:
    """The bottleneck as [N, width]. A feature map [N, h, w, width], or [N, width, h, w] if `channel_axis` is
    1, is averaged over h and w."""
    if tensor.shape.rank == 4:
        return tf.reduce_mean(tensor, [2, 3] if channel_axis == 1 else [1, 2], name='bottleneck')
    return tf.reshape(tensor, [tf.shape(tensor)[0], tensor.shape[-1]], name='bottleneck')


@names_faults
def load_backbone(
    path: Path,
    bottleneck: str = consts.BOTTLENECK_TENSOR,
    pixel_range: tuple[float, float] | None = None,
    faster: bool = True,
    changes: Changes = NO_CHANGES,
    trusted: bool | None = None,
) -> Backbone:
    """Read a frozen graph and cut it at the tensor `bottleneck`.

    pixel_range: range of the pixels, for a graph that begins with a placeholder for them.
    faster: whether to optimize the graph; False keeps the network as it was released, to compare with.
    changes: made before anything else.
    trusted: as in `read_graph`.

    Raises UserError when the file is not a frozen graph, lacks the tensor, or does not accept a batch of
    images. `load_tried` finds more faults.
    """
    path = paths.located(path)
    if not path.exists():
        advice = how_to_get(path, '--backbone', paths.POCKET_GRAPH_DEF)
        raise UserError(f'there is no backbone {paths.shown(path)}: {advice}')
    bottleneck = bottleneck if ':' in bottleneck else bottleneck + ':0'
    whole = read_graph(path, trusted)
    require_tensor(whole, bottleneck, path)
    changed = with_values(whole, changes.values, path)
    if changes.inference_mode:
        changed = in_inference_mode(changed, bottleneck, path)
    elif faster or changes.values:
        changed = without_decided_branches(changed)
    graph_def = modernize(frozen_part(changed, bottleneck, path))
    aside = new_names(graph_def, RESERVED)
    graph_def, cut = renamed(graph_def, aside), bottleneck
    if node_of(cut) in aside:
        bottleneck = cut.replace(node_of(cut), aside[node_of(cut)], 1)
    graph_def, preprocessing = ensure_preprocessing(
        graph_def, bottleneck, path, pixel_range, changes.input_size
    )
    graph_def = subgraph(feed_batches(graph_def, preprocessing), [bottleneck])
    width, channel_axis = _width(graph_def, bottleneck, preprocessing, path)
    rewrites = None
    if faster:
        keep = [bottleneck, preprocessing.image, preprocessing.decoded, preprocessing.pixels]
        graph_def, rewrites = optimize(graph_def, keep)
        rewrites = replace(rewrites, before=len(whole.node))
    facts = preprocessing, bottleneck, width, pixel_range, rewrites, channel_axis, changes, cut
    return Backbone(path, files.sha256(path), graph_def, *facts)


def load_as(facts: dict, path: Path, faster: bool = True, trusted: bool | None = None) -> Backbone:
    """Load the backbone in the file `path` with the settings in the facts of a manifest. Raises UserError."""
    pixel_range = facts['pixel_range'] and tuple(facts['pixel_range'])
    return load_backbone(path, facts['bottleneck'], pixel_range, faster, Changes.of(facts), trusted)


@names_faults
def load_tried(
    path: Path,
    bottleneck: str = consts.BOTTLENECK_TENSOR,
    pixel_range: tuple[float, float] | None = None,
    changes: Changes = NO_CHANGES,
) -> Backbone:
    """`load_backbone`, then a test run. Raises UserError also when the bottleneck of an image is random or
    depends on other images of the batch; the message names the node that causes it."""
    backbone = load_backbone(path, bottleneck, pixel_range, changes=changes)
    if fault := _fault(backbone):
        remedy = ''
        if fault.training and not changes.inference_mode:
            remedy = _remedy(path, bottleneck, pixel_range, replace(changes, inference_mode=True))
        raise UserError(f'{paths.shown(path)} {fault.text}{remedy}')
    return backbone


def tried(asked: Asked, path: Path | None = None) -> Backbone:
    """`load_tried` of what flags ask for; `path` is a local copy of its file. Raises UserError."""
    return load_tried(path or asked.path, asked.bottleneck, asked.pixel_range, asked.changes)


def _fault(backbone: Backbone) -> Fault | None:
    return find_fault(backbone.graph_def, backbone.preprocessing, backbone.bottleneck, backbone.path)


def _remedy(path: Path, bottleneck: str, pixel_range: tuple[float, float] | None, changes: Changes) -> str:
    """The end of an error message: whether --inference-mode would help, which is tried."""
    try:
        fault = _fault(load_backbone(path, bottleneck, pixel_range, changes=changes))
    except NothingToChange:
        return ': export it for batches, or choose a tensor before that node'
    except UserError as error:
        return f'. --inference-mode does not help: {str(error).removeprefix(paths.shown(path)).lstrip(": ")}'
    return (
        f'. --inference-mode does not help: it {fault.text}'
        if fault
        else ': add --inference-mode, which fixes it'
    )


def _width(
    graph_def: tf.GraphDef, bottleneck: str, preprocessing: Preprocessing, path: Path
) -> tuple[int, int]:
    """The number of values of the bottleneck of one image, and their axis. Raises UserError for a tensor that
    does not hold one row, or feature map, for each image of a batch."""
    tensor = inferred(graph_def, bottleneck, path)
    shape = tensor.shape.as_list() if tensor.shape.rank in (2, 4) else None
    axis = channel_axis_of(tensor, preprocessing.pixels) if shape and len(shape) == 4 else -1
    if shape and axis is None:
        raise UserError(
            f'{paths.shown(path)}: the graph does not say which axis of {bottleneck}, {tensor.shape}, holds '
            'the channels: choose a tensor [N, width], or one right after a convolution or pooling'
        )
    if tensor.dtype != tf.float32 or shape is None or shape[axis] is None:
        raise UserError(
            f'{paths.shown(path)}: {bottleneck} is {tensor.dtype.name} {tensor.shape}, '
            'not float32 [N, width], [N, h, w, width] or [N, width, h, w]'
        )
    if shape[0] is not None:
        raise UserError(
            f'{paths.shown(path)}: {bottleneck} always holds {shape[0]} rows, however many images '
            f'there are: choose a tensor before it, such as {consts.BOTTLENECK_TENSOR}'
        )
    return shape[axis], axis


def how_to_get(path: Path, flag: str, example: Path) -> str:
    """What to do about a frozen graph that is missing, at the end of a message. `example`: one that ships and
    that the flag takes."""
    namesake = frozen_of(path.name)
    known = shlex.quote(paths.shown(namesake if namesake.is_file() else example))
    if path.resolve() == paths.IMAGENET_GRAPH_DEF:
        return f'run sh setup/inception_download.sh, or use another one with {flag} {known}'
    return f'give the path of a frozen graph, such as {known}'


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.graph.backbones', __doc__, loads_graphs=True)
    made.add_argument('pb', type=Path, help='frozen graph')
    add_graph_flags(made)
    args = made.parse_args(argv)
    backbone = tried(Asked.of(args.pb, vars(args)))
    preprocessing = backbone.preprocessing
    say(f'{paths.shown(backbone.path)} is a backbone')
    say(f'  encoded image   {preprocessing.image}')
    say(f'  pixels          {preprocessing.pixels}  [N, {preprocessing.height}, {preprocessing.width}, 3]')
    say(f'  bottleneck      {backbone.cut}  [N, {backbone.width}]')
    say(f'  optimized       {backbone.rewrites}')
    say(f'  SHA-256         {backbone.sha256}')


if __name__ == '__main__':
    errors.run(main)
