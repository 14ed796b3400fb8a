"""Compare two pictures under mirroring, turning, scaling and shifting: is one a changed copy of the other?

The middle of one gray thumbnail, the template, is mirrored, turned and scaled in all combinations of a grid,
and each version is searched in the other thumbnail by normalized cross-correlation (Lewis 1995, "Fast
Template Matching", http://scribblethink.org/Work/nvisionInterface/nip.html), computed by FFT. The best
correlation is the score: 1 for the same picture, seldom above 0.4 for two different ones. Slow changes of
brightness are subtracted and the local contrast is evened out first: without that, a black cat resembles
every other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TEMPLATE = 0.6  # of the side: the middle of a picture is still there after cropping to 80 % at any corner
NOISE = 4.0  # gray values; weaker texture than this is not amplified to full contrast
FLAT = 0.1  # of full contrast; added to the contrast of what is compared, so that plain surfaces do not match


@dataclass(frozen=True)
class Change:
    """How a picture was changed: mirrored or not, turned by degrees, its content enlarged by a factor."""

    mirrored: bool
    turned: float
    enlarged: float


@dataclass(frozen=True)
class Prepared:
    """A picture that is ready to be compared: its details [side, side] float32 without slow changes of
    brightness and contrast, their spectrum, and their norm under a template at each place."""

    pixels: np.ndarray
    spectrum: np.ndarray
    contrast: np.ndarray


class Aligner:
    """Comparisons at one resolution.

    side: of the thumbnails in pixels. blur: standard deviation in pixels of what is subtracted.
    turns, scales: the grid of angles in degrees and of factors.
    """

    def __init__(self, side: int, blur: float, turns: Sequence[float], scales: Sequence[float]):
        from scipy import sparse

        self.side, self._blur = side, blur
        self._size = round(TEMPLATE * side)
        self.changes = [Change(m, t, s) for m in (False, True) for t in turns for s in scales]
        self._sampling = sparse.vstack([self._samples(change) for change in self.changes]).tocsr()

    def prepared(self, thumbnail: np.ndarray) -> Prepared:
        """Prepare a gray picture [side, side] uint8."""
        from scipy import fft, ndimage

        pixels = thumbnail.astype(np.float32)
        pixels -= ndimage.gaussian_filter(pixels, self._blur)
        pixels /= np.sqrt(ndimage.gaussian_filter(pixels**2, self._blur)) + NOISE
        return Prepared(pixels, fft.rfft2(pixels), self._contrast(pixels))

    def templates(self, picture: Prepared) -> np.ndarray:
        """The spectra of all versions of a picture's middle, [changes, side, side // 2 + 1] complex64."""
        from scipy import fft

        versions = self._sampling @ picture.pixels.ravel()
        versions = versions.reshape(len(self.changes), self._size, self._size)
        versions -= versions.mean((1, 2), keepdims=True)
        versions /= np.sqrt((versions**2).sum((1, 2), keepdims=True)) + FLAT * self._size
        return np.conj(fft.rfft2(versions, (self.side, self.side)))

    def score(self, templates: np.ndarray, picture: Prepared) -> tuple[float, Change]:
        """The best correlation, -1 to 1, of the `templates` of one picture with another one; and the change
        that takes the template's picture to the other one."""
        from scipy import fft

        places = self.side - self._size + 1
        found = fft.irfft2(picture.spectrum * templates, (self.side, self.side))
        best = (found[:, :places, :places] / picture.contrast).reshape(len(self.changes), -1).max(1)
        return float(best.max()), self.changes[int(best.argmax())]

    def _contrast(self, pixels: np.ndarray) -> np.ndarray:
        """The norm of what lies under the template less its mean, at each place."""
        wide = pixels.astype(np.float64)
        squares = _box_sums(wide**2, self._size) - (_box_sums(wide, self._size) / self._size) ** 2
        return (np.sqrt(np.maximum(squares, 0)) + FLAT * self._size).astype(np.float32)

    def _samples(self, change: Change) -> csr_matrix:
        """The matrix that takes a picture [side²] to one version of its middle [size²], bilinearly."""
        from scipy import sparse

        middle, grid = (self.side - 1) / 2, np.arange(self._size) - (self._size - 1) / 2
        down, right = np.meshgrid(grid / change.enlarged, grid / change.enlarged, indexing='ij')
        angle = np.deg2rad(change.turned)
        x = np.cos(angle) * right - np.sin(angle) * down
        y = middle + np.sin(angle) * right + np.cos(angle) * down
        x = middle + (-x if change.mirrored else x)
        left, top = (np.clip(np.floor(v).astype(int), 0, self.side - 2) for v in (x, y))
        across, along = np.clip(x - left, 0, 1), np.clip(y - top, 0, 1)
        rows = np.arange(self._size**2)
        corners = [
            (top + i, left + j, (along if i else 1 - along) * (across if j else 1 - across))
            for i in (0, 1)
            for j in (0, 1)
        ]
        weights = np.concatenate([w.ravel() for *_, w in corners]).astype(np.float32)
        columns = np.concatenate([(i * self.side + j).ravel() for i, j, _ in corners])
        shape = self._size**2, self.side**2
        return sparse.csr_matrix((weights, (np.tile(rows, 4), columns)), shape)


def _box_sums(values: np.ndarray, size: int) -> np.ndarray:
    """The sum of `values` over each square of `size` pixels."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    return sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
