"""The .tflite file format as objects: models are read, changed and written (schema.fbs in
https://github.com/google-ai-edge/LiteRT). The package of LiteRT has its classes. This module does not import
TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from src.common import errors
from src.graph.lite.interpreters import EXTRA, PACKAGE, import_module
from src.graph.lite.package import IDENTIFIER

ALIGNMENT = 16  # bytes, of the values of constants


def schema() -> Any:
    """The module with the classes. Raises UserError when LiteRT is missing or cannot be loaded."""
    errors.require_packages(EXTRA, PACKAGE)
    return import_module('schema_py_generated')


def parsed(data: bytes) -> Any:
    """A `ModelT`, the tables of a file as objects."""
    return schema().ModelT.InitFromObj(schema().Model.GetRootAs(data, 0))


def serialized(model: Any) -> bytes:
    """A file of a `ModelT`."""
    import flatbuffers

    class Builder(flatbuffers.Builder):
        """Aligns vectors of bytes, as schema.fbs demands and the Python package does not."""

        def StartVector(self, elemSize: int, numElems: int, alignment: int):
            return super().StartVector(elemSize, numElems, ALIGNMENT if elemSize == 1 else alignment)

    builder = Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def values(model: Any, tensor: Any, dtype: type) -> np.ndarray | None:
    """The values of a constant tensor; None if it is not constant."""
    data = model.buffers[tensor.buffer].data
    if data is None or not len(data):
        return None
    return np.frombuffer(bytes(data), dtype).reshape(np.asarray(tensor.shape))


def as_data(array: np.ndarray) -> np.ndarray:
    """Values as the bytes of a buffer."""
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
