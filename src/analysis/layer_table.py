"""A network as a table of its layers: operation, size of what comes out, number and share of weights.

    python -m src.analysis.layer_table cnn_deep
    python -m src.analysis.layer_table frozen/pocket_dogs.pb
    python -m src.analysis.layer_table frozen/inception/classify_image_graph_def.pb --end pool_3:0

Takes a network of src/models/ by name, or any frozen graph. Frozen graphs of Rootstock have their batch norms
folded into the convolutions before them, so they have fewer layers and weights than what was trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from src.common import cli, columns, errors, paths
from src.common.errors import UserError
from src.common.names import resolve_model, similar
from src.common.progress import say
from src.common.tf1 import tf
from src.graph.batching import feed_batches
from src.graph.frozen import output_of
from src.graph.graph_io import inferred, read_graph, require_tensor, subgraph
from src.graph.layer_list import Row, layer_rows
from src.graph.preprocessing.find import find_preprocessing
from src.graph.preprocessing.hidden_decoders import with_plain_decoder
from src.graph.rewrites.modernize import modernize
from src.models.networks import NETWORKS, find_network, logits_of

BAR = 20  # characters of the longest bar


def rows_of_network(name: str, side: int, classes: int) -> list[Row]:
    """The layers of a network of src/models/ for pictures of `side` x `side`. Raises UserError for an unknown
    name."""
    find_network(name)
    with tf.Graph().as_default():
        pixels = tf.placeholder(tf.float32, [None, side, side, 3], 'pixels')
        return layer_rows(pixels, tf.nn.softmax(logits_of(name, pixels, classes)))


def rows_of_graph(path: Path, start: str | None = None, end: str | None = None) -> list[Row]:
    """The layers of a frozen graph, from the tensor `start` (default: the pixels behind its decoder) to `end`
    (default: its output). Raises UserError when it is no graph or lacks the tensors."""
    graph_def = read_graph(path)
    for tensor in filter(None, (start, end)):
        require_tensor(graph_def, tensor, path)
    end = end or output_of(graph_def, path)
    graph_def = modernize(subgraph(with_plain_decoder(graph_def, end, path), [end]))
    if start is None:
        preprocessing = find_preprocessing(graph_def, end, path)
        start = preprocessing.pixels
        graph_def = feed_batches(graph_def, preprocessing)
    last = inferred(graph_def, end, path)
    try:
        return layer_rows(last.graph.get_tensor_by_name(start), last)
    except KeyError as error:
        raise UserError(f'{paths.shown(path)}: {end} does not depend on {start}') from error


def table(rows: Sequence[Row]) -> list[str]:
    """Lines: operation, size, weights, their share as a number and as a bar."""
    total = sum(row.weights for row in rows)
    width = max(columns.width(row.operation) for row in rows)
    sizes = [' × '.join('?' if n is None else str(n) for n in row.size) for row in rows]
    wide = max(len('output'), *map(len, sizes))
    lines = [f'{columns.ljust("operation", width)}  {"output":>{wide}}  {"weights":>12}  {"share":>6}']
    most = max((row.weights for row in rows), default=0)
    for row, size in zip(rows, sizes, strict=True):
        line = f'{columns.ljust(row.operation, width)}  {size:>{wide}}'
        if row.weights:
            bar = '█' * round(BAR * row.weights / most)
            line += f'  {row.weights:>12,}  {row.weights / total:>6.1%}  {bar}'
        lines.append(line.rstrip())
    lines.append(f'{"":<{width}}  {"":>{wide}}  {total:>12,}')
    return lines


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.analysis.layer_table', __doc__)
    made.add_argument(
        'network', nargs='?', metavar='NETWORK|PB', help=f'a frozen graph, or {", ".join(NETWORKS)}'
    )
    cli.add_model(made, resolve_model, 'none')
    made.add_argument('--start', metavar='TENSOR', help='of a frozen graph (default: the resized pixels)')
    made.add_argument('--end', metavar='TENSOR', help='of a frozen graph (default: its output)')
    made.add_argument(
        '--side', type=cli.whole_number(8), default=32, help='of a network (default: %(default)s)'
    )
    made.add_argument(
        '--classes', type=cli.whole_number(2), default=10, help='of a network (default: %(default)s)'
    )
    args = made.parse_args(argv)
    if (args.network is None) == (args.model is None):
        made.error('give the name of a network, a frozen graph, or --model')
    return args


def _frozen_file(args: argparse.Namespace) -> Path:
    """The frozen file that the flags name. Raises UserError when there is none, with similar names."""
    model = args.model or resolve_model(args.network)
    if path := model.file:
        return path
    if args.model is None and model.name == args.network:
        find_network(args.network)
    raise UserError(f'there is no {paths.shown(model.frozen)}{similar(model.name)}')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.model is None and args.network in NETWORKS:
        rows = rows_of_network(args.network, args.side, args.classes)
    else:
        rows = rows_of_graph(_frozen_file(args), args.start, args.end)
    for line in table(rows):
        say(line)


if __name__ == '__main__':
    errors.run(main)
