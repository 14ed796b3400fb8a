"""Find the input that excites a channel most, by gradient ascent; many channels at once, one in each row.

`from_pixels` is the tutorial's way (Chollet, Deep Learning with Python, section 5.4.2; https://github.com/
fchollet/deep-learning-with-python-notebooks): gray noise, and 40 steps along the normalized gradient.
`from_spectrum` is that of Olah et al. 2017 (images.py): random views of a Fourier image, and Adam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from src.common.tf1 import tf
from src.graph.gradients.gradient import gradient
from src.graph.gradients.imported import import_network
from src.interpret.images import fourier_images, random_views
from src.interpret.opened import Opened
from src.interpret.redirected import REDIRECTED, register

BATCH = 16  # channels at once
PIXEL_STEPS, PIXEL_STEP, NOISE, LEAST_NORM = 40, 1.0, 20.0, 1e-5  # for pixels from 0 to 255
SPECTRUM_STEPS, RATE = 64, 0.15  # Lucid: 512 steps at a third of the rate
SEED = 1


@dataclass(frozen=True)
class Ascent:
    """What became of one channel.

    picture: [side, side, 3] uint8.
    start, end: mean of the channel's output, before the first step and after the last.
    slope: norm of the gradient before the first step, without redirection.
    active: share of the channel's positions that are above 0 before the first step.
    """

    picture: np.ndarray
    start: float
    end: float
    slope: float
    active: float

    @property
    def dead(self) -> bool:
        """Whether no gradient reached the pixels before the first step."""
        return self.slope == 0

    @property
    def moved(self) -> bool:
        """Whether the ascent raised the channel's output."""
        return self.end > self.start + 1e-6


Advance = Callable[[int], None]


def channel_means(layer: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
    """The objective: for each row of a layer [N, ..., C] the mean of its channel; `channels` is [N] int32."""
    return tf.reduce_mean(_channels(layer, channels), 1)


def from_pixels(
    opened: Opened, layer: str, channels: Sequence[int], side: int, advance: Advance
) -> list[Ascent]:
    """The tutorial's way. `advance` is called with the number of channels that each step has served."""
    scale = (opened.white - opened.black) / 255

    def run(session: tf.Session, built: _Built, rows: list[int]) -> Iterator[Ascent]:
        random = np.random.default_rng(SEED)
        noise = 128 + NOISE * (random.random((len(rows), side, side, 3)) - 0.5)
        pixels = (opened.black + scale * noise).astype(np.float32)
        feed = {built.channels: rows}
        start, slopes, active = session.run(
            [built.objective, built.slopes, built.active], feed | {built.pixels: pixels}
        )
        norms = _norms(slopes)
        for _ in range(PIXEL_STEPS):
            found = session.run(built.slopes, feed | {built.pixels: pixels})
            root_mean_square = np.sqrt((found**2).mean((1, 2, 3), keepdims=True))
            pixels += scale * PIXEL_STEP * found / (root_mean_square + LEAST_NORM)
            advance(len(rows))
        end = session.run(built.objective, feed | {built.pixels: pixels})
        for row, picture in enumerate(pixels):
            yield Ascent(_contrasted(picture), *map(float, (start[row], end[row], norms[row], active[row])))

    def build() -> _Built:
        pixels = tf.placeholder(tf.float32, [None, side, side, 3])
        return _built(opened, layer, pixels)

    return _in_batches(build, run, channels)


def from_spectrum(
    opened: Opened, layer: str, channels: Sequence[int], side: int, advance: Advance
) -> list[Ascent]:
    """The way of Olah et al.; dead ReLUs are woken by redirected gradients."""
    number = min(BATCH, len(channels))

    def build() -> _Built:
        register()
        spectrum, value, images = fourier_images(number, side, SEED)

        def pixels_of(shown: tf.Tensor) -> tf.Tensor:
            return opened.black + (opened.white - opened.black) * shown

        built = _built(opened, layer, pixels_of(images))
        views = pixels_of(random_views(images, SEED))
        seen = import_network(opened.model, views, layer, REDIRECTED)(layer)
        slopes = gradient(channel_means(seen, built.channels), value)
        built.images = images
        built.training = tf.train.AdamOptimizer(RATE).apply_gradients([(-slopes, spectrum)])
        built.initialize = tf.global_variables_initializer()
        return built

    def run(session: tf.Session, built: _Built, rows: list[int]) -> Iterator[Ascent]:
        feed = {built.channels: rows + rows[-1:] * (number - len(rows))}  # the spectrum has a fixed size
        session.run(built.initialize)
        start, slopes, active = session.run([built.objective, built.slopes, built.active], feed)
        norms = _norms(slopes)
        for _ in range(SPECTRUM_STEPS):
            session.run(built.training, feed)
            advance(len(rows))
        end, images = session.run([built.objective, built.images], feed)
        for row in range(len(rows)):
            picture = np.uint8(255 * images[row])
            yield Ascent(picture, *map(float, (start[row], end[row], norms[row], active[row])))

    return _in_batches(build, run, channels)


@dataclass
class _Built:
    """The tensors and operations of a graph that is built for one layer."""

    pixels: tf.Tensor
    channels: tf.Tensor
    objective: tf.Tensor
    slopes: tf.Tensor
    active: tf.Tensor
    images: tf.Tensor | None = None
    training: tf.Operation | None = None
    initialize: tf.Operation | None = None


def _built(opened: Opened, name: str, pixels: tf.Tensor) -> _Built:
    layer = import_network(opened.model, pixels, name)(name)
    channels = tf.placeholder(tf.int32, [None], 'channels')
    objective = channel_means(layer, channels)
    active = tf.reduce_mean(tf.cast(_channels(layer, channels) > 0, tf.float32), 1)
    return _Built(pixels, channels, objective, gradient(objective, pixels), active)


def _channels(layer: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
    """[N, positions]: all positions of one channel for each row of a layer [N, ..., C]."""
    flat = tf.reshape(layer, [tf.shape(layer)[0], -1, layer.shape[-1]])
    return tf.gather(flat, channels, axis=2, batch_dims=1)


def _in_batches(build: Callable, run: Callable, channels: Sequence[int]) -> list[Ascent]:
    found: list[Ascent] = []
    with tf.Graph().as_default():
        built = build()
        with tf.Session() as session:
            for i in range(0, len(channels), BATCH):
                found += run(session, built, list(channels[i : i + BATCH]))
    return found


def _norms(slopes: np.ndarray) -> np.ndarray:
    return np.sqrt((slopes**2).sum((1, 2, 3)))


def _contrasted(pixels: np.ndarray) -> np.ndarray:
    """Pixels as uint8 with mean 0.5 and deviation 0.15, as the tutorial shows them."""
    centered = (pixels - pixels.mean()) / (pixels.std() + 1e-5)
    return np.uint8(255 * np.clip(0.15 * centered + 0.5, 0, 1))
