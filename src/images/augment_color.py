"""Random brightness and contrast of training pictures."""

from __future__ import annotations

from src.common.tf1 import tf
from src.models.layers import op_seed

# Which draw of a step is which (models/layers.op_seed).
BRIGHTNESS, CONTRAST = 20, 21
WHITE = 255.0


def recolored(
    pixels: tf.Tensor,
    seed: tuple[tf.Tensor | int, tf.Tensor | int],
    brightness: float = 0.0,
    contrast: float = 0.0,
) -> tf.Tensor:
    """Change brightness and contrast of pictures [N, height, width, 3] float32 from 0 to 255, each by amounts
    of its own. The result may leave this range.

    brightness: largest amount that is added to all values, as a share of the range, either way.
    contrast: largest change of the distance from a channel's mean, as a share of it, either way.
    seed: two integers, such as (seed, step), which alone decide the amounts.

    As tf.image.random_brightness and random_contrast, which draw one amount for the whole batch.
    """

    def draw(most: float, place: int) -> tf.Tensor:
        return tf.random.stateless_uniform([tf.shape(pixels)[0], 1, 1, 1], op_seed(seed, place), -most, most)

    if contrast:
        mean = tf.reduce_mean(pixels, [1, 2], keepdims=True)
        pixels = mean + (pixels - mean) * (1 + draw(contrast, CONTRAST))
    return pixels + draw(brightness * WHITE, BRIGHTNESS) if brightness else pixels
