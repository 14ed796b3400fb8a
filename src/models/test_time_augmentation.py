"""Test-time augmentation: average the predictions over several views of an image.

Two views are the picture and its mirror image. Six are these two, the same shifted up and left by a pixel,
and shifted down and right by a pixel; the unshifted ones have twice the weight (Jordan 2024,
arXiv:2404.00498).
"""

from __future__ import annotations

from src.common.tf1 import tf

VIEWS = (1, 2, 6)
_SHIFTS = {6: (-1, 1)}  # in pixels, down and right; besides the unshifted picture
_WEIGHTS = {1: [1.0], 2: [1.0], 6: [0.5, 0.25, 0.25]}  # of each shift


def all_views(pixels: tf.Tensor, views: int) -> tf.Tensor:
    """The views [views * N, height, width, 3] of pictures [N, height, width, 3]: the first view of all
    pictures, then the second, and so on."""
    if views == 1:
        return pixels
    shifted = [pixels, *(_shifted(pixels, by) for by in _SHIFTS.get(views, ()))]
    return tf.concat([view for one in shifted for view in (one, tf.reverse(one, [2]))], axis=0)


def mean_over_views(logits: tf.Tensor, views: int) -> tf.Tensor:
    """The weighted mean [N, classes] of the logits [views * N, classes] of `all_views`."""
    if views == 1:
        return logits
    weights = [weight / 2 for weight in _WEIGHTS[views] for _ in range(2)]
    return tf.add_n([weight * one for weight, one in zip(weights, tf.split(logits, views), strict=True)])


def _shifted(pixels: tf.Tensor, by: int) -> tf.Tensor:
    """Pictures shifted by `by` pixels, padded by reflection as in training (images/augment.py)."""
    size = abs(by)
    height, width = pixels.shape[1:3].as_list()
    padded = tf.pad(pixels, [[0, 0], [size, size], [size, size], [0, 0]], 'REFLECT')
    begin = size - by
    return padded[:, begin : begin + height, begin : begin + width]
