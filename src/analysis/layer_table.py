"""List the layers of a network: operation, output size, number and share of weights.

    python -m src.analysis.layer_table cnn_deep
    python -m src.analysis.layer_table frozen/pocket_dogs.pb
    python -m src.analysis.layer_table frozen/inception/classify_image_graph_def.pb --end pool_3:0

Takes the name of a network of src/models/, or any frozen graph. Freezing folds batch norms into the
convolutions before them, so a frozen graph has fewer layers and weights than the network that was trained.
--start and --end apply to frozen graphs, --side and --classes to networks of src/models/.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from src.common import cli, columns, errors, paths
from src.common.errors import UserError
from src.common.names import Model, resolve_model
from src.common.progress import say
from src.common.tf1 import tf
from src.graph.batching import feed_batches
from src.graph.checks.accepted import names_faults
from src.graph.frozen import output_of
from src.graph.graph_io import ancestors, inferred, read_graph, require_tensor, subgraph
from src.graph.layer_list import Row, layer_rows
from src.graph.preprocessing.find import Preprocessing, find_preprocessing
from src.graph.preprocessing.hidden_decoders import with_plain_decoder
from src.graph.rewrites.modernize import modernize
from src.models.dense import probabilities
from src.models.networks import NETWORKS, find_network, logits_of
from src.records.next_commands import frozen_model

BAR = 20  # characters of the longest bar


def rows_of_network(name: str, side: int, classes: int) -> list[Row]:
    """The layers of a network of src/models/ for pictures of `side` x `side` pixels. Raises UserError for an
    unknown name."""
    with tf.Graph().as_default():
        pixels = tf.placeholder(tf.float32, [None, side, side, 3], 'pixels')
        return layer_rows(pixels, probabilities(logits_of(name, pixels, classes)))


@names_faults
def rows_of_graph(path: Path, start: str | None = None, end: str | None = None) -> list[Row]:
    """The layers of a frozen graph, from the tensor `start` (default: the resized pixels) to `end` (default:
    its output). Raises UserError for a file that is no graph, and for missing or unconnected tensors."""
    graph_def = read_graph(path)
    for tensor in filter(None, (start, end)):
        require_tensor(graph_def, tensor, path)
    end = end or output_of(graph_def, path)
    graph_def = modernize(subgraph(with_plain_decoder(graph_def, end, path), [end]))
    if start is None:
        preprocessing = _preprocessing(graph_def, end, path)
        start = preprocessing.pixels
        graph_def = feed_batches(graph_def, preprocessing)
    last = inferred(graph_def, end, path)
    try:
        return layer_rows(last.graph.get_tensor_by_name(start), last)
    except KeyError as error:
        raise UserError(f'{paths.shown(path)}: {end} does not depend on {start}') from error


def _preprocessing(graph_def: tf.GraphDef, end: str, path: Path) -> Preprocessing:
    """As `find_preprocessing`. Where there is none, the UserError names --start, and what it may be."""
    try:
        return find_preprocessing(graph_def, end, path)
    except UserError as error:
        needed = ancestors(graph_def, [end])
        inputs = [f'{n.name}:0' for n in graph_def.node if n.op == 'Placeholder' and n.name in needed]
        example = f', such as --start {inputs[0]}' if inputs else ''
        raise UserError(
            f'{error}; give the tensor where the table begins{example or " as --start"}'
        ) from error


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a table: operation, output size, weights, and their share as a number and as a bar."""
    total, most = sum(row.weights for row in rows), max((row.weights for row in rows), default=0)
    cells = [('operation', 'output', 'weights', 'share', '')]
    for row in rows:
        size = ' × '.join('?' if n is None else str(n) for n in row.size)
        weights = ('', '', '')
        if row.weights:
            weights = f'{row.weights:,}', f'{row.weights / total:.1%}', '█' * round(BAR * row.weights / most)
        cells.append((row.operation, size, *weights))
    cells.append(('', '', f'{total:,}', '', ''))
    return columns.table(cells, numeric=(False, True, True, True, False))


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.analysis.layer_table', __doc__, loads_graphs=True)
    what = f'{", ".join(NETWORKS)}, or a model as for --model'
    made.add_argument('network', type=_network_or_model, nargs='?', metavar='NETWORK|PB', help=what)
    cli.add_model(made, resolve_model, 'none')
    made.add_argument('--start', metavar='TENSOR', help='first tensor (default: the resized pixels)')
    made.add_argument('--end', metavar='TENSOR', help='last tensor (default: the output)')
    made.add_argument(
        '--side',
        type=cli.whole_number(8),
        default=32,
        help='side of the input in pixels (default: %(default)s)',
    )
    made.add_argument(
        '--classes', type=cli.whole_number(2), default=10, help='number of classes (default: %(default)s)'
    )
    args = made.parse_args(argv)
    if (args.network is None) == (args.model is None):
        made.error('give the name of a network, a frozen graph, or --model')
    return args


def _network_or_model(text: str) -> str | Model:
    """An argparse type: the name of a network, else a model. Raises UserError for a name that is neither,
    with similar networks."""
    if text in NETWORKS:
        return text
    model = resolve_model(text)
    if model.name == text and not model.frozen.exists():
        find_network(text)
    return model


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    wanted = args.model or args.network
    if isinstance(wanted, str):
        rows = rows_of_network(wanted, args.side, args.classes)
    else:
        rows = rows_of_graph(frozen_model(wanted), args.start, args.end)
    for line in table(rows):
        say(line)


if __name__ == '__main__':
    errors.run(main)
