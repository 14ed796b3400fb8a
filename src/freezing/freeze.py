"""Bind a backbone and a trained head into one frozen graph.

    python -m src.freezing.freeze
    python -m src.freezing.freeze --name flowers

Reads checkpoints/<model>/ and the backbone that its bottlenecks came from, writes frozen/<model>.pb,
and proves on real records that it answers as the backbone, as it was released, and the checkpoint do.
"""

from __future__ import annotations

import contextlib
import itertools
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import compress, islice
from pathlib import Path
from typing import Any

import numpy as np

from src import __version__
from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count, human_size
from src.common.progress import next_step, say, wrote
from src.common.tf1 import tf
from src.data_preparation.dataset import Records, open_records, pictures
from src.graph.backbones import Backbone, load_backbone
from src.graph.graph_io import read_graph, with_facts, write_graph
from src.graph.optimize import optimize
from src.images.faults import BadImage
from src.images.reader import ImageReader
from src.inference.predictor import load_model
from src.models.dense import SCOPE, dense_head, head_variables, probabilities
from src.training import loop
from src.training.trained import read_model

PROOF_PICTURES = 32
TOLERANCE = 1e-4  # largest difference of a probability; float32 sums in another order stay below 1e-5


def freeze(backbone: Backbone, checkpoint: str, labels: Sequence[str], info: dict[str, Any]) -> tf.GraphDef:
    """Join `backbone` and the head in `checkpoint` into one GraphDef without variables.

    It maps `backbone.front.image` (one encoded image, string scalar) or `backbone.front.pixels`
    ([N, height, width, 3] float32) to `output_node:0` ([N, classes] float32, rows sum to 1), and
    carries `labels` and `model_info`. Raises UserError when the head does not fit the backbone.
    """
    layers = checkpoint_layers(checkpoint)
    if layers[0] != backbone.width or layers[-1] != len(labels):
        raise UserError(
            f'{paths.shown(checkpoint)} is a head of layers {"-".join(map(str, layers))}, but '
            f'{paths.shown(backbone.path)} is {backbone.width} wide and there are '
            f'{count(len(labels), "class", "classes")}: train anew with --fresh'
        )
    with tf.Graph().as_default() as graph, tf.Session() as session:
        probabilities(dense_head(backbone.attach(), layers))
        loop.restore(session, _head_saver(), checkpoint)
        frozen = tf.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [consts.OUTPUT_NODE_NAME]
        )
    front = backbone.front
    keep = [consts.OUTPUT_TENSOR_NAME, backbone.bottleneck, front.image, front.decoded, front.pixels]
    return with_facts(optimize(frozen, keep)[0], labels, info)


def _head_saver() -> tf.train.Saver:
    """Restores the head in the default graph by the names it was trained under. A backbone may have
    taken them: that of a frozen model, cut at its hidden layer, holds a `head/W1` of its own."""
    names = (f'{SCOPE}/{kind}{layer}' for layer in itertools.count(1) for kind in 'Wb')
    return tf.train.Saver(dict(zip(names, head_variables(), strict=False)))


def checkpoint_layers(checkpoint: str) -> list[int]:
    """Layer sizes of the head in a checkpoint. Raises UserError when it holds no head."""
    try:
        shapes = tf.train.load_checkpoint(checkpoint).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(f'{paths.shown(checkpoint)} is damaged: train anew with --fresh') from error
    layers = []
    while (shape := shapes.get(f'{SCOPE}/W{len(layers) + 1}')) is not None:
        layers.append(shape)
    if not layers:
        raise UserError(f'{paths.shown(checkpoint)} holds no head: train anew with --fresh')
    return [layers[0][0], *(shape[1] for shape in layers)]


def prove(frozen: Path, backbone: Backbone, checkpoint: str, records: Records) -> tuple[float, int]:
    """The largest difference between the frozen file's answers and those of backbone then head,
    from real encoded pictures one by one and in a batch; and the number of pictures. A backbone loaded
    as it was released proves its rewriting too.

    Raises UserError when there are no pictures to prove it on, or when the answers differ.
    """
    reader = ImageReader(backbone.graph_def, backbone.front)
    pixels, readable = [], []
    for _, data in islice(_any_pictures(records), PROOF_PICTURES):
        with contextlib.suppress(BadImage):
            pixels.append(reader.read(data))
            readable.append(data)
    # There is no Pillow in the graph itself, and no choice of scale: compared there is what it sees alike.
    alike = [reader.as_in_graph(data) for data in readable]
    reader.close()
    if not readable:
        raise UserError(f'{paths.shown(records.folder)} holds no pictures to prove the model on')
    wanted = _expected(pixels, backbone, checkpoint)
    batched = np.stack(list(load_model(frozen).from_pictures(readable)))
    gap = np.abs(batched - wanted).max()
    if any(alike):
        single = _one_by_one(frozen, backbone.front.image, list(compress(readable, alike)))
        gap = max(gap, np.abs(single - wanted[alike]).max())
    if not gap <= TOLERANCE:
        raise UserError(
            f'the frozen graph does not answer as {paths.shown(checkpoint)} does: probabilities differ by '
            f'{gap:.1e}, more than {TOLERANCE:.0e}; it was not kept'
        )
    return float(gap), len(readable)


def _expected(pixels: list[np.ndarray], backbone: Backbone, checkpoint: str) -> np.ndarray:
    """What the backbone and then the checkpoint's head say, in two separate graphs."""
    with tf.Graph().as_default(), tf.Session() as session:
        bottleneck = backbone.attach()
        vectors = np.concatenate([session.run(bottleneck, {backbone.front.pixels: p[None]}) for p in pixels])
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, backbone.width])
        answer = probabilities(dense_head(x, checkpoint_layers(checkpoint)))
        loop.restore(session, _head_saver(), checkpoint)
        return session.run(answer, {x: vectors})


def _one_by_one(frozen: Path, image: str, encoded: list[bytes]) -> np.ndarray:
    """[N, classes] of the file used as in 2015: one session call for each encoded image."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(read_graph(frozen), name='')
        rows = [session.run(consts.OUTPUT_TENSOR_NAME, {image: data}) for data in encoded]
    return np.concatenate(rows)


def _any_pictures(records: Records):
    for split in reversed(consts.SPLITS):
        yield from pictures(records, split)


def freeze_model(model: str) -> tuple[Path, float, int]:
    """Freeze checkpoints/<model> and prove it before the file gets its name.

    Returns the file, the largest difference found, and the number of pictures it was sought on.
    """
    trained = read_model(model)
    records = open_records(trained['data_set'])
    if records.manifest['fingerprint'] != trained['records']:
        raise UserError(
            f'{paths.shown(records.folder)} was converted anew since {model} was trained: '
            'train again with --fresh'
        )
    backbone = backbone_of(trained['backbone'])
    say(f'{paths.shown(backbone.path)}: {backbone.rewrites}')
    checkpoint = loop.best_checkpoint(paths.checkpoints(model))
    graph_def = freeze(backbone, checkpoint, trained['classes'], _model_info(model, trained))
    with files.atomic_path(paths.frozen(model)) as part:
        write_graph(graph_def, part)
        gap, number = prove(part, backbone_of(trained['backbone'], faster=False), checkpoint, records)
    return paths.frozen(model), gap, number


def backbone_of(facts: dict[str, Any], faster: bool = True) -> Backbone:
    """The backbone that a manifest names; without `faster`, as it was released. Raises UserError when
    its file has gone or has changed."""
    path = paths.ROOT / facts['path']
    if path.is_file() and files.sha256(path) != facts['sha256']:
        raise UserError(
            f'{paths.shown(path)} has changed since the bottlenecks were computed: put the old file back, '
            'or convert and train again'
        )
    pixel_range = facts['pixel_range'] and tuple(facts['pixel_range'])
    return load_backbone(path, facts['bottleneck'], pixel_range, faster)


def _model_info(model: str, trained: dict[str, Any]) -> dict[str, Any]:
    scores = files.read_json(paths.scores(model)) if paths.scores(model).exists() else {}
    return {
        'model': model,
        'data_set': trained['data_set'],
        'counts': trained['counts'],
        'backbone': {key: value for key, value in trained['backbone'].items() if key != 'path'},
        'precision': trained['precision'],
        'settings': trained['settings'],
        'scores': scores.get('scores', {}),
        'made': datetime.now(timezone.utc).date().isoformat(),
        'versions': {'rootstock': __version__, 'tensorflow': tf.version.VERSION},
    }


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.freezing.freeze', __doc__)
    cli.add_model(made)
    args = made.parse_args(argv)
    path, gap, number = freeze_model(cli.model_of(args))
    say(f'proved on {count(number, "picture")}: differs from backbone and checkpoint by at most {gap:.1e}')
    wrote(path, f'{human_size(path.stat().st_size)}: decoding, backbone, head and labels in one file')
    next_step(f'python -m src.inference.classify file PHOTO.jpg --model {shlex.quote(paths.shown(path))}')


if __name__ == '__main__':
    errors.run(main)
