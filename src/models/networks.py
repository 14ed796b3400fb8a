"""The networks that are trained from pixels, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import numpy as np

from src.common.errors import UserError
from src.common.tf1 import tf
from src.models.cnn_best import cnn_best, whitening
from src.models.cnn_deep import cnn_deep
from src.models.cnn_simple import cnn_simple
from src.models.cnn_small import cnn_small, cnn_small_dropout
from src.models.layers import INFERENCE, Mode
from src.models.logistic_regression import logistic_regression
from src.models.mlp import mlp
from src.models.test_time_augmentation import all_views, mean_over_views

Network = Callable[['tf.Tensor', int, Mode], 'tf.Tensor']  # quoted: `tf` loads TensorFlow at its first use

NETWORKS: dict[str, Network] = {
    network.__name__: network
    for network in (
        logistic_regression,
        mlp,
        cnn_simple,
        cnn_deep,
        cnn_best,
        cnn_small,
        cnn_small_dropout,
    )
}
# The lowest and highest value of the scaled pixels of a network that does not take -1 to 1.
PIXEL_RANGES = {'cnn_small': (0, 1), 'cnn_small_dropout': (0, 1)}
# Functions from scaled pixels of training pictures to the initial values of some variables.
DATA_DEPENDENT_INITIALIZERS: dict[str, Callable[[np.ndarray], dict[str, np.ndarray]]] = {
    'cnn_best': whitening
}
SCOPE = 'network'


def find_network(name: str) -> Network:
    """The network of this name. Raises UserError, with similar names, when there is none."""
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NETWORKS, 3, 0.4) or list(NETWORKS)
        raise UserError(f'unknown network {name!r}; there is {", ".join(near)}')
    return NETWORKS[name]


def logits_of(
    name: str, pixels: tf.Tensor, classes: int, mode: Mode = INFERENCE, views: int = 1
) -> tf.Tensor:
    """Logits [N, classes] float32 of the network `name` for pixels [N, height, width, 3] from 0 to 255; some
    networks have a single logit [N, 1] for two classes (models/dense.py).

    views: number of views of each picture to average the logits over (models/test_time_augmentation.py).
    The variables are under `network/`.
    """
    network = find_network(name)
    scaled = tf.cast(scaled_pixels(tf.cast(pixels, tf.float32), name), mode.dtype)
    with tf.variable_scope(SCOPE, reuse=tf.AUTO_REUSE):
        logits = network(all_views(scaled, views), classes, mode)
    return mean_over_views(tf.cast(logits, tf.float32), views)


def scaled_pixels(pixels, name: str = ''):
    """Scale pixels from 0 to 255 to the range that the network `name` takes, by default -1 to 1."""
    low, high = PIXEL_RANGES.get(name, (-1, 1))
    return pixels * ((high - low) / 255) + low


def initial_values(name: str, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Data-dependent initialization: initial values of some variables of the network `name`, by variable
    name, computed from training pictures [N, height, width, 3] uint8."""
    if name not in DATA_DEPENDENT_INITIALIZERS:
        return {}
    values = DATA_DEPENDENT_INITIALIZERS[name](scaled_pixels(pixels.astype(np.float32), name))
    return {f'{SCOPE}/{variable}': value for variable, value in values.items()}
