"""Which pixels speak for a class: Grad-CAM and integrated gradients, of one frozen classifier.

Gradients are taken with respect to the pixels of the network, not through the decoder.
"""

from __future__ import annotations

import numpy as np

from src.common.tf1 import tf
from src.graph.frozen import FrozenGraph
from src.graph.gradients.grad_cam import class_scores, grad_cam, last_feature_map
from src.graph.gradients.gradient import gradient
from src.graph.gradients.imported import import_network

BATCH = 32
STEPS = 32  # of the integral; the paper finds 20 to 300 enough


class Attributions:
    """A frozen classifier in a session, with its gradients; use it in a `with`.

    `features` is the name of the feature map of Grad-CAM. Raises UserError when the network has no feature
    map, or an op without a gradient between its pixels and its output.
    """

    def __init__(self, model: FrozenGraph):
        with tf.Graph().as_default() as graph:
            layer = import_network(model)
            pixels, output = layer(model.preprocessing.pixels), layer(model.output)
            rows = tf.reshape(output, [tf.shape(output)[0], output.shape[-1]])
            features = last_feature_map(pixels, output)
            index = tf.placeholder(tf.int32, [])
            cam = grad_cam(features, class_scores(output), index)
            slopes = gradient(tf.gather(rows, index, axis=1), pixels)
        self.features = features.op.name
        self._session = tf.Session(graph=graph)
        self._probabilities = self._session.make_callable(rows, [pixels])
        self._cam = self._session.make_callable(cam, [pixels, index])
        self._slopes = self._session.make_callable(slopes, [pixels, index])

    def __enter__(self) -> Attributions:
        return self

    def __exit__(self, *_) -> None:
        self._session.close()

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """[N, classes] float32 of pixels [N, height, width, 3] float32, in batches."""
        parts = (pixels[i : i + BATCH] for i in range(0, len(pixels), BATCH))
        return np.concatenate([self._probabilities(part) for part in parts])

    def grad_cam(self, pixels: np.ndarray, class_index: int) -> np.ndarray:
        """[h, w] float32, of the size of the feature map, of one picture [height, width, 3]."""
        return self._cam(pixels[None], class_index)[0]  # test-time augmentation: the first of the views

    def integrated_gradients(
        self, pixels: np.ndarray, class_index: int, baseline: float, steps: int = STEPS
    ) -> np.ndarray:
        """Integrated gradients of the probability from a picture of the one value `baseline` to `pixels`.

        Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365, equation 3, by the midpoint rule. Returns
        [height, width, 3] float32; its sum is close to the difference of the two probabilities.
        """
        shares = (np.arange(steps, dtype=np.float32) + 0.5) / steps
        along = baseline + shares[:, None, None, None] * (pixels - baseline)[None]
        parts = (along[i : i + BATCH] for i in range(0, steps, BATCH))
        total = sum(self._slopes(part, class_index).sum(0) for part in parts)
        return (pixels - baseline) * total / steps
