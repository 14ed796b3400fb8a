"""What a frozen classifier can do, whatever runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from src.images.faults import BadImage

BATCH = 32


class Predictor(ABC):
    """A frozen classifier that is loaded. The methods are thread-safe.

    labels: class names in output order. info: the `model_info` of the file.
    views: the probabilities are averaged over so many views of each picture (inference/views.py).
    batch: at most so many pictures should run at once.
    reader: decodes and preprocesses pictures for the model (images/reader.py, images/pillow_reader.py).
    gains_by_batches: whether a picture costs less in a batch than alone.
    takes_bottlenecks: whether `from_bottlenecks` works.
    """

    labels: list[str]
    info: dict[str, Any]
    views: int
    batch: int
    reader: Any
    gains_by_batches: bool
    takes_bottlenecks: bool

    @abstractmethod
    def from_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities [N, classes] float32 of pixels [N, height, width, 3] float32 from `reader`."""

    @abstractmethod
    def from_pictures(self, pictures: Iterable[bytes]) -> Iterator[np.ndarray | BadImage]:
        """Yield for each encoded picture, in order, its probabilities [classes] float32, or the BadImage.
        Threads decode the next pictures meanwhile."""

    @abstractmethod
    def from_mixed(self, rows: Sequence[bytes | np.ndarray]) -> list[np.ndarray | BadImage]:
        """Probabilities [classes] float32, or the BadImage, for each item of a batch: an encoded picture that
        `reader.as_in_graph` accepts, or pixels [height, width, 3] float32 from `reader`."""

    @abstractmethod
    def from_bottlenecks(self, bottlenecks: np.ndarray) -> np.ndarray:
        """Probabilities [N, classes] float32 of bottlenecks [N, width] float32 of the model's own backbone,
        or [N, views, width] if the model itself averages several views of a picture.

        Raises UserError when the model does not take them.
        """

    @property
    @abstractmethod
    def has_gradients(self) -> bool:
        """Whether `grad_cam` may work: False if it is known that it raises UserError."""

    @abstractmethod
    def grad_cam(self, pixels: np.ndarray, class_index: int) -> np.ndarray:
        """Grad-CAM [h, w] float32 of one picture [height, width, 3] float32 from `reader`, of its first view:
        the picture as it is.

        Raises UserError for a model that has no gradients.
        """

    @abstractmethod
    def close(self) -> None:
        """Free what it holds; it cannot be used afterwards."""
