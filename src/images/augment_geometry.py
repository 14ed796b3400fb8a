"""Random rotation, shift, shear and zoom of training pictures, with one affine resampling for all of them.

Each picture gets a matrix of its own, the product of its four changes about its center, as ImageDataGenerator
of Keras multiplies them (https://github.com/keras-team/keras-preprocessing, affine_transformations.py).
"""

from __future__ import annotations

import math

from src.common.tf1 import tf
from src.models.layers import op_seed

# Which draw of a step is which (models/layers.op_seed); images/augment.py has those below 10.
ANGLE, SHIFT_X, SHIFT_Y, SHEAR, ZOOM_X, ZOOM_Y = range(10, 16)


def moved(
    pixels: tf.Tensor,
    seed: tuple[tf.Tensor | int, tf.Tensor | int],
    rotation: float = 0.0,
    shift: float = 0.0,
    shear: float = 0.0,
    zoom: float = 0.0,
) -> tf.Tensor:
    """Rotate, shift, shear and zoom pictures [N, height, width, 3] float32, each by amounts of its own.

    Pixels outside of a picture are those of its nearest edge; values between pixels are bilinear.

    rotation: largest angle in degrees, either way.
    shift: largest shift along each axis, as a share of the side.
    shear: largest shear angle in radians, either way. With 0.2 a column moves up or down by a fifth of its
        distance from the center. (Keras took radians when the tutorial with its 0.2 was written; since
        2018 it takes degrees, of which 0.2 would not be seen.)
    zoom: largest change of each axis' scale, as a share of 1.
    seed: two integers, such as (seed, step), which alone decide the amounts.
    """
    matrices = inverse_transforms(pixels, seed, rotation, shift, shear, zoom)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=matrices,
        output_shape=pixels.shape[1:3].as_list(),
        fill_value=0.0,
        interpolation='BILINEAR',
        fill_mode='NEAREST',
    )


def inverse_transforms(
    pixels: tf.Tensor, seed, rotation: float, shift: float, shear: float, zoom: float
) -> tf.Tensor:
    """The matrices [N, 8] float32 of `moved`: from the place of a pixel in the result to that in the picture,
    as ImageProjectiveTransformV3 takes them."""
    number, (height, width) = tf.shape(pixels)[0], pixels.shape[1:3].as_list()

    def draw(most: float, place: int) -> tf.Tensor:
        return tf.random.stateless_uniform([number], op_seed(seed, place), -most, most)

    angle, leaning = draw(math.radians(rotation), ANGLE), draw(shear, SHEAR)
    zoom_x, zoom_y = 1 + draw(zoom, ZOOM_X), 1 + draw(zoom, ZOOM_Y)
    by_x, by_y = draw(shift * width, SHIFT_X), draw(shift * height, SHIFT_Y)
    # [x, y] = rotation @ ([by_x, by_y] + shear @ zoom @ [x', y']), all from the center.
    cos, sin = tf.cos(angle), tf.sin(angle)
    a, c, d = tf.cos(leaning) * zoom_x, -tf.sin(leaning) * zoom_x, zoom_y  # shear @ zoom: [[a, 0], [c, d]]
    xx, xy = cos * a - sin * c, -sin * d
    yx, yy = sin * a + cos * c, cos * d
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    x = cos * by_x - sin * by_y + center_x - xx * center_x - xy * center_y
    y = sin * by_x + cos * by_y + center_y - yx * center_x - yy * center_y
    none = tf.zeros_like(x)
    return tf.stack([xx, xy, x, yx, yy, y, none, none], axis=1)
