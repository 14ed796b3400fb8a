"""Pictures changed while a network learns from them, as graph ops: every time it sees them, otherwise.

What is drawn depends on the two integers `seed` alone, such as (seed, step), and on the epoch, so a resumed
training sees what an undisturbed one would have.
"""

from __future__ import annotations

from src.common.tf1 import tf

GREY = 128  # what a cut-out square is filled with


def augment(
    pixels: tf.Tensor,
    seed: tuple[tf.Tensor | int, tf.Tensor | int],
    crop: int = 0,
    flip: bool = False,
    cutout: int = 0,
    epoch: tf.Tensor | int = 0,
) -> tf.Tensor:
    """[N, height, width, 3] uint8 as the same: each picture moved by up to `crop` pixels (what comes in at
    the edges is mirrored), flipped left to right, a square of side `cutout` greyed out.

    Half of the pictures are flipped in even epochs, the others in odd ones, so that two epochs show both
    sides of each (Jordan 2024, arXiv:2404.00498). `epoch` is one for all, or [N].
    """
    if crop or flip:
        turned = _odd(pixels, seed[0] + epoch) if flip else None
        pixels = _moved(pixels, seed, crop, turned)
    return _cut_out(pixels, seed, cutout) if cutout else pixels


def _odd(pixels: tf.Tensor, more: tf.Tensor | int) -> tf.Tensor:
    """[N] bool: an even or odd sum of all values is a coin that each picture bears."""
    return (tf.reduce_sum(tf.cast(pixels, tf.int32), [1, 2, 3]) + tf.cast(more, tf.int32)) % 2 > 0


def _moved(pixels: tf.Tensor, seed, crop: int, turned: tf.Tensor | None) -> tf.Tensor:
    """By looking up rows and columns, which takes a hundredth of cutting out one picture at a time."""
    number, (height, width) = tf.shape(pixels)[0], pixels.shape[1:3].as_list()
    rows, columns = (
        _drawn(seed, place, [number, 1], 2 * crop + 1) + tf.range(side)
        for place, side in ((0, height), (1, width))
    )
    if turned is not None:
        columns = tf.where_v2(turned[:, None], tf.reverse(columns, [1]), columns)
    if crop:
        pixels = tf.pad(pixels, [[0, 0], [crop, crop], [crop, crop], [0, 0]], 'REFLECT')
    return tf.gather(tf.gather(pixels, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def _cut_out(pixels: tf.Tensor, seed, side: int) -> tf.Tensor:
    """Cutout (DeVries and Taylor 2017, arXiv:1708.04552); the square's middle is anywhere in the picture."""
    number, (height, width) = tf.shape(pixels)[0], pixels.shape[1:3].as_list()
    inside = []
    for place, length in ((3, height), (4, width)):
        begin = _drawn(seed, place, [number, 1], length) - side // 2
        inside.append((tf.range(length) >= begin) & (tf.range(length) < begin + side))
    square = inside[0][:, :, None, None] & inside[1][:, None, :, None]
    return tf.where_v2(square, tf.constant(GREY, pixels.dtype), pixels)


def _drawn(seed, place: int, shape: list, below: int) -> tf.Tensor:
    """int32 from 0 to `below`, not included; `place` tells the draws of a step apart."""
    pair = tf.stack([tf.cast(part, tf.int64) for part in (seed[0] * 100 + place, seed[1])])
    return tf.random.stateless_uniform(shape, pair, 0, below, tf.int32)
