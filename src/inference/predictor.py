"""Run a frozen classifier: encoded pictures in, probabilities out. Only the file is needed.

    model = load_model(Path('frozen/pocket_dogs.pb'))         # TensorFlow
    model = load_model(Path('frozen/pocket_dogs.tflite'))     # LiteRT, which starts in a tenth of a second
    for probabilities in model.from_pictures(encoded):
        print(model.labels[probabilities.argmax()])

For a picture that cannot be read a BadImage is returned in the place of its probabilities.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src.common import paths
from src.common.errors import UserError
from src.graph.lite.package import SUFFIX

if TYPE_CHECKING:
    from src.inference.runtimes.base import Predictor


def load_model(
    path: Path,
    weights_as_variables: bool = True,
    views: int = 1,
    pixel_range: tuple[float, float] | None = None,
) -> Predictor:
    """Load a frozen graph into TensorFlow, or a .tflite model into LiteRT.

    weights_as_variables: of a frozen graph only (runtimes/tensorflow.py).
    pixel_range: of the pixels that a .tflite model takes, if its file does not say so (runtimes/litert.py).
    views: number of views of each picture that the probabilities are averaged over.

    Raises UserError when the file is no classifier, or was not validated with so many views.
    """
    path = Path(path)
    if path.suffix == SUFFIX:
        from src.inference.runtimes import litert

        return litert.load(path, views, pixel_range)
    if pixel_range:
        raise UserError(f'{paths.shown(path)} holds its own preprocessing: leave --pixel-range out')
    from src.inference.runtimes import tensorflow

    return tensorflow.load(path, weights_as_variables, views)
