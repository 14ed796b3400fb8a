"""Run a frozen classifier: encoded pictures in, probabilities out. Only the file is needed.

    model = load_model(Path('frozen/pocket_dogs.pb'))         # TensorFlow
    model = load_model(Path('frozen/pocket_dogs.tflite'))     # LiteRT, which starts in a tenth of a second
    for probabilities in model.from_pictures(encoded):
        print(model.labels[probabilities.argmax()])

For a picture that cannot be read a BadImage is returned in the place of its probabilities.
"""

from __future__ import annotations

from pathlib import Path

from src.graph.lite.package import SUFFIX
from src.inference.runtimes.base import Predictor


def load_model(path: Path, weights_as_variables: bool = True, views: int = 1) -> Predictor:
    """Load a frozen graph into TensorFlow, or a .tflite model into LiteRT.

    weights_as_variables: of a frozen graph only (runtimes/tensorflow.py).
    views: number of views of each picture that the probabilities are averaged over.

    Raises UserError when the file is no classifier, or was not validated with so many views.
    """
    path = Path(path)
    if path.suffix == SUFFIX:
        from src.inference.runtimes import litert

        return litert.load(path, views)
    from src.inference.runtimes import tensorflow

    return tensorflow.load(path, weights_as_variables, views)
