"""A canvas with antialiased edges and soft shading.

Outlines are rasterized at three times the size and scaled down, which smooths edges. Color and shading are
computed at the picture's own size; a picture takes about fifteen milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from src.drawn_dogs.shapes import mix

OVERSAMPLE = 3
SHADOW_TINT = np.float32([[[1.0]], [[0.94]], [[0.8]]])  # shade darkens red most, blue least


@dataclass
class Canvas:
    """`pixels` [3, H, W] float32 from 0 to 1, and `dog` [H, W] float32, the share of each pixel that the dog
    covers."""

    pixels: np.ndarray
    dog: np.ndarray
    light: tuple[float, float]  # direction (x, y) toward the light; y points down

    @classmethod
    def blank(cls, width: int, height: int, light: tuple[float, float]) -> Canvas:
        return cls(np.ones((3, height, width), np.float32), np.zeros((height, width), np.float32), light)

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[2], self.pixels.shape[1]

    def box(self, shapes: Sequence[np.ndarray], pad: float) -> tuple[int, int, int, int] | None:
        """The box (left, top, right, bottom) that shapes cover in the picture, padded; None if outside."""
        more = pad + max([shape[:, 2].max() for shape in shapes if shape.shape[1] == 3], default=0)
        points = shapes[0] if len(shapes) == 1 else np.concatenate([shape[:, :2] for shape in shapes])
        low, high = points.min(0)[:2] - more, points.max(0)[:2] + more
        left, top = (max(0, int(side)) for side in low)
        right, bottom = (min(edge, int(side) + 2) for side, edge in zip(high, self.size, strict=True))
        return (left, top, right, bottom) if right > left and bottom > top else None

    def flat(self, shapes, color, blur: float = 0.0, opacity: float = 1.0) -> None:
        """Fill shapes with a color [3, 1, 1] or colors [3, H, W]. `blur`, in pixels, softens the edges."""
        box = self.box(shapes, 2.5 * blur)
        if box is None:
            return
        here = _window(box)
        share = opacity * coverage(shapes, box, blur)
        self.pixels[here] = mix(self.pixels[here], _cut(color, here), share)

    def shade(self, shapes, blur: float, strength: float, where: np.ndarray | None = None) -> None:
        """Draw a shadow of the shapes; `where` [H, W] limits it, such as to the dog."""
        box = self.box(shapes, 2.5 * blur)
        if box is None:
            return
        here = _window(box)
        share = strength * coverage(shapes, box, blur)
        if where is not None:
            share = share * where[here]
        self.pixels[here] *= 1 - share * SHADOW_TINT

    def body(
        self,
        shapes,
        coat,
        relief: float,
        marks=(),
        fade=None,
        contact: float = 0.0,
        dim: float = 1.0,
        dog: bool = True,
    ):
        """Draw a rounded body part, shaded by `light`.

        coat: its color [3, 1, 1] or colors [3, H, W]
        relief: width of the shading along the edge, in pixels
        marks: (shapes, color, blur) painted on this part only
        fade: two points; the part is transparent at the first and opaque at the second, so that a leg blends
            into the body
        contact: strength of its shadow on the parts drawn before
        dim: factor for its brightness
        dog: whether it counts as a part of the dog
        """
        if contact:
            below = [s + np.array([0, relief * 0.6, 0])[: s.shape[1]] for s in shapes]
            self.shade(below, relief, contact, self.dog)
        box = self.box(shapes, 2)
        if box is None:
            return
        here = _window(box)
        pad = int(relief) + 2  # `lit` reads pixels beyond the part's box, even outside the picture
        outline = stencil(shapes, (box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad))
        mask = np.asarray(outline, np.float32)[pad:-pad, pad:-pad] / 255
        color = np.broadcast_to(_cut(coat, here), (3, *mask.shape)) * np.float32(dim)
        for drawn, paint, blur in marks:
            spot = _overlap(self.box(drawn, 2.5 * blur), box)
            if spot is not None:
                inside = _window(spot, box)
                share = coverage(drawn, spot, blur)
                color[inside] = mix(color[inside], paint * np.float32(dim), share)
        color = self.lit(color, outline, pad, relief)
        if fade is not None:
            mask = mask * _ramp(box, *fade)
        self.pixels[here] = mix(self.pixels[here], color, mask)
        if dog:
            self.dog[here] = np.maximum(self.dog[here], mask)

    def lit(self, color: np.ndarray, outline: Image.Image, pad: int, relief: float) -> np.ndarray:
        """Shade a part as if it were round.

        The blurred outline serves as its thickness, whose slope along the light tells which side faces it.
        `outline` is `pad` pixels wider than `color` [3, H, W] on all sides.
        """
        thickness = np.asarray(soft(outline, relief), np.float32) / 255
        dx, dy = (round(step * relief * 0.7) for step in self.light)
        height, width = color.shape[1:]

        def seen(x, y):
            return thickness[pad + y : pad + y + height, pad + x : pad + x + width]

        slope = seen(-dx, -dy) - seen(dx, dy)
        bright, dark = np.maximum(slope, 0), np.minimum(slope, 0)
        # The factor (1.2 - color) limits highlights on white fur; its form shows in the shade instead.
        return (color + 0.42 * bright * color * (1.2 - color)) * (1 + 0.62 * dark * SHADOW_TINT)


def stencil(shapes, box) -> Image.Image:
    """The share of each pixel in the box (left, top, right, bottom) that shapes cover, 0 to 255."""
    left, top, right, bottom = box
    mask = Image.new('L', ((right - left) * OVERSAMPLE, (bottom - top) * OVERSAMPLE))
    draw = ImageDraw.Draw(mask)
    for shape in shapes:
        at = (shape[:, :2] - (left, top)) * OVERSAMPLE
        if shape.shape[1] == 2:
            draw.polygon(at.ravel().tolist(), fill=255)
            continue
        radius = shape[:, 2:] * OVERSAMPLE
        for disc in np.hstack([at - radius, at + radius]).tolist():
            draw.ellipse(disc, fill=255)
    return mask.reduce(OVERSAMPLE)


def coverage(shapes, box, blur: float = 0.0) -> np.ndarray:
    """The share of each pixel in the box that shapes cover, float32 from 0 to 1; `blur` softens edges."""
    mask = stencil(shapes, box)
    return np.asarray(soft(mask, blur) if blur else mask, np.float32) / 255


def soft(image: Image.Image, radius: float) -> Image.Image:
    """The image with a Gaussian blur, from radius 3 on computed at half size, for a quarter of the time."""
    if radius < 3:
        return image.filter(ImageFilter.GaussianBlur(radius))
    return (
        image.reduce(2)
        .filter(ImageFilter.GaussianBlur(radius / 2))
        .resize(image.size, Image.Resampling.BILINEAR)
    )


def gradient(size: tuple[int, int], stops) -> np.ndarray:
    """Colors [3, H, W] interpolated from top to bottom between (y, color) stops."""
    y, at = np.arange(size[1]), [stop[0] for stop in stops]
    planes = [np.interp(y, at, plane) for plane in np.concatenate([stop[1] for stop in stops], 1)[..., 0]]
    return np.repeat(np.float32(planes)[..., None], size[0], axis=2)


def noise(size: tuple[int, int], cell: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise [H, W], about -1 to 1; `cell` is the width and height of its blobs in pixels."""
    small = (max(2, round(size[0] / cell[0])), max(2, round(size[1] / cell[1])))
    grain = Image.fromarray(rng.standard_normal(small[::-1], np.float32))
    return np.asarray(grain.resize(size, Image.Resampling.BICUBIC))


def _window(box, within=(0, 0, 0, 0)) -> tuple:
    """The index of a box in the last two axes of an array that covers the box `within`."""
    left, top = within[:2]
    return ..., slice(box[1] - top, box[3] - top), slice(box[0] - left, box[2] - left)


def _cut(color: np.ndarray, here: tuple) -> np.ndarray:
    """The colors [3, H, W] at an index; a single color [3, 1, 1] is returned as it is."""
    return color if color.size == 3 else color[here]


def _overlap(one, other) -> tuple[int, int, int, int] | None:
    """The intersection of two boxes, None if it is empty."""
    if one is None:
        return None
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[2], other[2]), min(one[3], other[3])
    return (left, top, right, bottom) if right > left and bottom > top else None


def _ramp(box, start, end) -> np.ndarray:
    """A smooth ramp over the box: 0 before `start`, 1 beyond `end` (smoothstep)."""
    (sx, sy), (ex, ey) = np.asarray(start)[:2], np.asarray(end)[:2]
    x = np.arange(box[0], box[2], dtype=np.float32)[None, :] + 0.5
    y = np.arange(box[1], box[3], dtype=np.float32)[:, None] + 0.5
    length = (ex - sx) ** 2 + (ey - sy) ** 2 + 1e-6
    t = np.clip(((x - sx) * (ex - sx) + (y - sy) * (ey - sy)) / length, 0, 1)
    return t * t * (3 - 2 * t)
