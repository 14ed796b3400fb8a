"""The .tflite file of a model that was trained on int8 bottlenecks: the int8 backbone that computed them, and
the head in float32.

It gives the probabilities that the model was trained to give. The frozen graph beside it has the backbone as
it was released, in float32. What that changes is measured, and noted in both files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from src.common import consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say
from src.common.tf1 import tf
from src.freezing.exporting.agreement import Agreement, compare
from src.freezing.exporting.photos import find_photos
from src.freezing.proof import PROOF_PICTURES, TOLERANCE
from src.graph.frozen import FrozenGraph, load_graph
from src.graph.graph_io import write_graph
from src.graph.joined.facts import INT8, int8_of, members
from src.graph.lite.both_views import both_views
from src.graph.lite.compose import compose
from src.graph.lite.convert import convert_head
from src.graph.lite.interpreters import EXTRA, PACKAGE, Interpreters
from src.graph.lite.package import LITE, write_part
from src.graph.lite.steps import KEY, steps_of
from src.graph.model_info import read_info, replace_info, views_in
from src.graph.weights import put_weights
from src.inference.runtimes.tensorflow import TensorFlowPredictor
from src.records import dataset
from src.records.chosen import of_model
from src.records.dataset import Records
from src.records.fields import encoded_image
from src.records.next_commands import to_train


def ships_lite(facts: Mapping[str, Any]) -> bool:
    """Whether a model, by the facts in its model.json, gets a .tflite file."""
    return facts['precision'] == INT8 and len(members(facts['backbone'])) == 1


def int8_backbone(model: str, facts: Mapping[str, Any], records: Records) -> Path | None:
    """The int8 backbone of `model`, by the facts in its model.json; None for a model on other bottlenecks.

    A model of several backbones has none either, which is said: a .tflite model cannot join them.

    Raises UserError when LiteRT is missing, or the int8 backbone, or when it is not the one that computed
    the bottlenecks that the head learned from.
    """
    if facts['precision'] != INT8:
        return None
    errors.require_packages(EXTRA, PACKAGE)
    found, held, own = [], int8_of(records.manifest['backbone']), int8_of(facts['backbone'])
    for one in members(facts['backbone']):
        lite = own[one['sha256']]
        if held[one['sha256']]['sha256'] != lite['sha256']:
            raise UserError(
                f'{paths.shown(records.folder)} was converted again since, with another int8 backbone: run '
                f'{to_train(records.folder.name, model)} --fresh'
            )
        path = records.folder / lite['file']
        if not path.exists() or files.sha256(path) != lite['sha256']:
            raise UserError(
                f'{paths.shown(path)}, which computed the bottlenecks, is missing or has changed: repeat the '
                'conversion, which makes it again'
            )
        found.append(path)
    if not ships_lite(facts):
        say('no .tflite file is written: the model takes the bottlenecks of several backbones')
        return None
    return found[0]


def write_lite(
    path: Path, backbone: Path, frozen: Path, graph_def: tf.GraphDef, records: Records
) -> Agreement:
    """Write the .tflite file of the frozen graph `graph_def`, which is in the file `frozen`, to `path`.

    It is compared with the head on recorded bottlenecks, and with the frozen graph on photos. The frozen
    graph is written again, with the result in its `model_info`.

    Raises UserError when the head gives other probabilities for the bottlenecks, and for preprocessing that
    only TensorFlow repeats.
    """
    model = load_graph(frozen)
    steps = steps_of(model.graph_def, model.preprocessing, paths.frozen(model.info['model']))
    network = _network(model, backbone, frozen)
    write_part(path, network, model.labels, {})
    with closing(TensorFlowPredictor(model)) as predictor:
        difference, number = _prove(Interpreters(path), predictor, records)
        photos = find_photos(None, model.info, model.labels)
        agreement = compare(predictor, Interpreters(path), photos)
    say(
        f'{paths.shown(lite_path(model.info["model"]))}: checked on {count(number, "picture")}: same '
        f'probabilities as the head for the recorded bottlenecks (maximum difference {difference:.1e})'
    )
    replace_info(graph_def, read_info(graph_def) | {INT8: {'agreement': agreement.facts()}})
    write_graph(graph_def, frozen)
    facts = {'precision': INT8, 'graph_sha256': files.sha256(frozen), 'agreement': agreement.facts()}
    write_part(path, network, model.labels, model.info | {KEY: steps, LITE: facts})
    return agreement


def lite_path(model: str) -> Path:
    return paths.frozen(model).with_suffix('.tflite')


def report(agreement: Agreement) -> None:
    """Print what the precision of the backbone changes."""
    shared = f'the same class for {agreement.same_top_1:.2%} of {agreement.photos:,} {agreement.what}'
    if not agreement.top_1:
        say(f'.tflite (int8) and .pb (float32) give {shared}')
        return
    lite, graph = agreement.top_1['exported'], agreement.top_1['graph']
    say(f'.tflite (int8): top-1 {lite:.2%}; .pb (float32): {graph:.2%} ({100 * (graph - lite):+.2f} points)')
    say(f'they give {shared}')


def _network(model: FrozenGraph, backbone: Path, frozen: Path) -> bytes:
    """The int8 backbone and the head of a frozen model as one .tflite model."""
    graph_def, views = put_weights(model.graph_def, model.weights), views_in(model.info)
    head = convert_head(graph_def, model.info['backbone']['vector'], model.output, frozen, views)
    data = backbone.read_bytes()
    return compose(both_views(data) if views > 1 else data, head)


def _prove(lite: Interpreters, predictor: TensorFlowPredictor, records: Records) -> tuple[float, int]:
    """The maximum absolute difference of a probability between the .tflite model, for pictures, and the head,
    for their recorded bottlenecks; and the number of pictures. Raises UserError when it exceeds TOLERANCE."""
    held = list(islice(_recorded(records, predictor.info), PROOF_PICTURES))
    pixels = np.stack([predictor.reader.read(data) for data, _ in held])
    expected = predictor.from_bottlenecks(np.stack([vectors for _, vectors in held]))
    difference = float(np.abs(lite.run(pixels) - expected).max())
    if not difference <= TOLERANCE:
        raise UserError(
            'the .tflite model does not give the probabilities of the head for the bottlenecks in '
            f'{paths.shown(records.folder)}: they differ by {difference:.1e}, more than {TOLERANCE:.0e}; it '
            'was not kept'
        )
    return difference, len(held)


def _recorded(records: Records, info: Mapping[str, Any]) -> Iterator[tuple[bytes, np.ndarray]]:
    """Encoded pictures and their bottlenecks, [width] float32 or [2, width] of both views."""
    field = of_model(records, info['backbone']).bottlenecks(views_in(info) > 1)
    columns = dict(field.columns) | {consts.IMAGE_RAW_FIELD: encoded_image()}
    for split in reversed(consts.SPLITS):
        for _, _, batch in dataset.labelled(records, [split], columns, PROOF_PICTURES):
            yield from zip(batch[consts.IMAGE_RAW_FIELD], field.parsed(batch, np.concatenate), strict=True)
