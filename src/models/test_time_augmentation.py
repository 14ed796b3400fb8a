"""A picture looked at in several ways, of whose answers the mean counts.

Two views are the picture and its mirror image. Six are these as they are, moved up and left by a pixel, and
moved down and right; the unmoved ones count twice (Jordan 2024, arXiv:2404.00498).
"""

from __future__ import annotations

from src.common.tf1 import tf

VIEWS = (1, 2, 6)
_MOVED = {6: (-1, 1)}  # by how many pixels, down and right, besides not at all
_SHARES = {1: [1.0], 2: [1.0], 6: [0.5, 0.25, 0.25]}  # of each move


def all_views(pixels: tf.Tensor, views: int) -> tf.Tensor:
    """[views * N, height, width, 3] of [N, height, width, 3], one view of all pictures after the other."""
    if views == 1:
        return pixels
    moved = [pixels, *(_moved(pixels, by) for by in _MOVED.get(views, ()))]
    return tf.concat([look for one in moved for look in (one, tf.reverse(one, [2]))], axis=0)


def mean_over_views(answers: tf.Tensor, views: int) -> tf.Tensor:
    """[N, classes] of [views * N, classes]."""
    if views == 1:
        return answers
    shares = [share / 2 for share in _SHARES[views] for _ in range(2)]
    return tf.add_n([share * one for share, one in zip(shares, tf.split(answers, views), strict=True)])


def _moved(pixels: tf.Tensor, by: int) -> tf.Tensor:
    """What comes in at the edges is mirrored, as when a network learns."""
    reach = abs(by)
    height, width = pixels.shape[1:3].as_list()
    padded = tf.pad(pixels, [[0, 0], [reach, reach], [reach, reach], [0, 0]], 'REFLECT')
    begin = reach - by
    return padded[:, begin : begin + height, begin : begin + width]
