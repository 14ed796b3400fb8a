"""The process of Keras: it answers one request of keras_import in a process of its own.

Keras needs TensorFlow's eager mode, which all other commands switch off (common/tf1.py). The request is the
file request.json in a folder; beside it this process writes

    reply.json    what it did, or {'refused': one line for the user}
    network.pb    the frozen graph, from pixels (tracing.py)
    check.npz     random pixels, and what Keras itself computes from them
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.tf1 import optional_imports_skipped, tf
from src.freezing.keras import networks, tracing, user_model
from src.graph.graph_io import node_of, write_graph

REQUEST, REPLY, NETWORK, CHECK = 'request.json', 'reply.json', 'network.pb', 'check.npz'
CHECK_PICTURES = 4
BOTTLENECK, OUTPUT = node_of(consts.BOTTLENECK_TENSOR), consts.OUTPUT_NODE_NAME


def main(folder: str) -> None:
    """Answer the request in a folder."""
    place = Path(folder)
    request = files.read_json(place / REQUEST)
    with optional_imports_skipped():
        import keras

    keras.config.set_image_data_format('channels_last')  # ~/.keras/keras.json may say otherwise
    keras.config.set_floatx('float32')
    try:
        reply = ACTIONS[request.pop('action')](place, **request)
    except UserError as error:
        reply = {'refused': str(error)}
    files.write_json(place / REPLY, reply | {'keras': keras.version()})


def _list(place: Path) -> dict[str, Any]:
    return {'networks': networks.names()}


def _network(place: Path, name: str, weights: str | None, pooling: str, labels: bool) -> dict[str, Any]:
    """Write a network of keras.applications. `labels`: whether the caller has the names of its classes."""
    import keras

    network = networks.load(name, weights)
    reply: dict[str, Any] = {'classifies': network.classifies}
    if not labels and weights and network.classifies:
        try:
            reply['labels'] = networks.imagenet_labels()
        except UserError as error:
            reply['no_labels'] = str(error)
    model = network.model
    outputs = {BOTTLENECK: networks.bottleneck(model, pooling)}
    if network.classifies and (labels or reply.get('labels')):
        outputs[OUTPUT] = model.output
    whole = keras.Model(model.input, outputs)

    def function(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.name_scope('preprocessing'):
            prepared = network.preprocess(pixels)
        return whole(prepared, training=False)

    return reply | _write(place, function, network.size, whole, Path(weights or name))


def _user_model(place: Path, file: str, pixel_range: list[float] | None) -> dict[str, Any]:
    """Write a user's classifier."""
    path = Path(file)
    model = user_model.load(path)
    scaled = user_model.scales_pixels(model)
    if scaled and pixel_range:
        raise UserError(
            f'{paths.shown(path)} scales pixels itself, in the layer {scaled}: leave --pixel-range out'
        )
    low, high = pixel_range or (0, 255)
    size = model.input_shape[1:3]
    classify = user_model.probabilities(model, path, _random_pixels(size) * ((high - low) / 255) + low)

    def function(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        scaled_pixels = pixels if (low, high) == (0, 255) else pixels * ((high - low) / 255) + low
        return {OUTPUT: classify(scaled_pixels)}

    return {'scales_pixels': scaled} | _write(place, function, size, model, path)


def _write(
    place: Path, function: tracing.Function, size: tuple[int, int], model: Any, source: Path
) -> dict[str, Any]:
    """Write the frozen graph of a function, and what Keras itself computes in eager mode. `source`: where
    the weights come from. Raises UserError when Keras computes something that is no number."""
    pixels = _random_pixels(size)
    values = {name: np.asarray(value) for name, value in function(tf.constant(pixels)).items()}
    if not all(np.isfinite(value).all() for value in values.values()):
        raise UserError(
            f'{paths.shown(source)} gives outputs that are no numbers (NaN or infinite) in Keras too: its '
            'weights are damaged, or its training diverged'
        )
    with files.writing(place / CHECK):
        np.savez(place / CHECK, pixels=pixels, **values)
    write_graph(tracing.freeze(function, size, model), place / NETWORK)
    return {
        'input_size': list(size),
        'widths': {name: value.shape[-1] for name, value in values.items()},
    }


def _random_pixels(size: tuple[int, int]) -> np.ndarray:
    """Pictures of random patches of color, [CHECK_PICTURES, height, width, 3] float32, 0 to 255."""
    coarse = np.random.default_rng(1).uniform(0, 255, (CHECK_PICTURES, 8, 8, 3)).astype(np.float32)
    return np.asarray(tf.compat.v2.image.resize(coarse, size))


ACTIONS = {'list': _list, 'network': _network, 'user_model': _user_model}
