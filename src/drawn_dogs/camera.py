"""The last steps of a drawn picture: blur, light, exposure, vignette and noise, as of a camera."""

from __future__ import annotations

import numpy as np
from PIL import Image

from src.drawn_dogs.canvas import Canvas, soft

LIGHTS = {
    'noon': (1.0, 1.0, 1.0),
    'warm': (1.08, 1.0, 0.86),
    'cool': (0.9, 0.98, 1.08),
    'dusk': (1.0, 0.88, 0.82),
    'overcast': (0.9, 0.92, 0.92),
}


def lens(canvas: Canvas, radius: float) -> None:
    """Blur everything that is drawn so far, with a radius in pixels."""
    if radius > 0.3:
        blurred = np.asarray(soft(picture_of(canvas.pixels), radius), np.float32)
        canvas.pixels = np.ascontiguousarray(np.moveaxis(blurred, 2, 0)) / 255


def develop(canvas: Canvas, rng: np.random.Generator) -> Image.Image:
    """The canvas as an 8-bit picture, with random light, exposure, vignette, noise and sometimes blur."""
    w, h = canvas.size
    tint = np.float32(LIGHTS[rng.choice(list(LIGHTS))]).reshape(3, 1, 1) * rng.normal(1.0, 0.08)
    x, y = np.linspace(-1, 1, w, dtype=np.float32)[None, :], np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    falloff = 1 - rng.uniform(0.0, 0.14) * (x * x + y * y) + rng.normal(0, 0.05) * x
    pixels = np.clip(canvas.pixels, 0, 1.2) * tint * falloff
    pixels = 0.5 + (pixels - 0.5) * np.float32(rng.uniform(0.92, 1.1))
    grain = rng.choice((0.005, 0.012, 0.02, 0.033), p=(0.4, 0.35, 0.17, 0.08))
    pixels += rng.standard_normal((h, w), np.float32) * np.float32(grain)
    picture = picture_of(pixels)
    return soft(picture, rng.uniform(0.7, 1.4)) if rng.random() < 0.08 else picture


def picture_of(pixels: np.ndarray) -> Image.Image:
    """[3, H, W] float32 from 0 to 1 as an 8-bit RGB picture."""
    planes = np.uint8(np.clip(pixels, 0, 1) * 255 + 0.5)
    return Image.merge('RGB', [Image.fromarray(plane) for plane in planes])
