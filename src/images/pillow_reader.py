"""Decode and preprocess pictures without TensorFlow: Pillow decodes, NumPy resizes as TensorFlow does.

    reader = PillowReader(info['preprocessing'])        # the steps in a .tflite file (graph/lite/steps.py)
    pixels = reader.read(data)                          # [height, width, 3] float32

The methods are those of `images.reader.ImageReader`, and so are the pixels: equal to the last digit for PNG,
and for JPEG if the graph decodes with dct_method='INTEGER_ACCURATE' as Pillow does. TensorFlow's default is
less precise, off by one level on average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from src.common import consts
from src.images.decode import charged, decode_with_pillow
from src.images.faults import BadImage, or_fault
from src.images.formats.header import RESIZED
from src.images.headers import Header, read_header
from src.images.ratios import Target, plain_in_full
from src.images.resizing.checks import check_facts
from src.images.resizing.preprocess import preprocess


class PillowReader:
    """The preprocessing that `facts` describe. The methods are thread-safe.

    `shape` is that of the pixels of one picture, (height, width, 3). Raises ValueError for facts
    of another form, and for steps that are not known (resizing/checks.py).
    """

    def __init__(self, facts: Mapping[str, Any]):
        check_facts(facts)
        self.shape = (facts['height'], facts['width'], 3)
        self._targets = [
            (Target(one['height'], one['width'], one['scalable']), one['steps']) for one in facts['pictures']
        ]

    def read(self, data: bytes, header: Header | None = None) -> np.ndarray:
        """Decode and preprocess one encoded picture. Returns [height, width, 3] float32.

        `header` is that of `read_header(data)`, if it is known already. Raises BadImage.
        """
        header = header or read_header(data)
        ratios = self._ratios(header)
        with charged(header, min(ratios)):
            decoded = {ratio: decode_with_pillow(data, ratio, header) for ratio in set(ratios)}
            return self._pixels([decoded[ratio] for ratio in ratios])

    def read_many(self, pictures: Sequence[bytes]) -> list[np.ndarray | BadImage]:
        """The pixels [height, width, 3] float32 of each picture, or the BadImage."""
        return [or_fault(self.read, data) for data in pictures]

    def resize(self, pixels: np.ndarray) -> np.ndarray:
        """Preprocess a decoded picture [h, w, 3] uint8. Returns [height, width, 3] float32. Raises BadImage
        for a picture of which consts.PICTURE_BYTES would not hold the pixels as float32."""
        most = consts.PICTURE_BYTES // RESIZED
        if pixels.size > 3 * most:
            raise BadImage(f'more than {most:,} pixels')
        return self._pixels([pixels] * len(self._targets))

    def as_in_graph(self, header: Header, most_pixels: int = consts.MAX_IMAGE_PIXELS) -> bool:
        """Whether the picture is decoded in full as TensorFlow decodes it, and has at most `most_pixels`."""
        return plain_in_full(header, [target for target, _ in self._targets], most_pixels)

    def ratio(self, header: Header) -> int:
        """The ratio by which the decoder divides the sides of the picture; the least of several."""
        return min(self._ratios(header))

    def close(self) -> None:
        """Nothing is held."""

    def _ratios(self, header: Header) -> list[int]:
        return [target.ratio(header) for target, _ in self._targets]

    def _pixels(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """The pixels of a decoded picture [h, w, 3] uint8, which is given for each size."""
        resized = [
            preprocess(picture, steps, target.height, target.width)
            for picture, (target, steps) in zip(pictures, self._targets, strict=True)
        ]
        if len(resized) == 1:
            return resized[0]
        return np.concatenate([one.reshape(-1, 1, 3) for one in resized])  # graph/preprocessing/pictures.py


def usual_preprocessing(height: int, width: int, pixel_range: tuple[float, float]) -> dict[str, Any]:
    """Facts of the preprocessing that graphs of pixels get (graph/preprocessing/prepend.py): resizing with
    antialiasing to pixels [height, width, 3] from `pixel_range[0]` to `pixel_range[1]`."""
    low, high = pixel_range
    steps = [
        {'op': 'ScaleAndTranslate', 'kernel_type': 'triangle', 'antialias': True},
        {'op': 'Mul', 'value': (high - low) / 255},
        {'op': 'AddV2', 'value': low},
    ]
    picture = {'height': height, 'width': width, 'scalable': True, 'steps': steps}
    return {'height': height, 'width': width, 'pictures': [picture]}
