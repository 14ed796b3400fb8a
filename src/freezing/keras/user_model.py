"""A classifier that a user saved with Keras: .keras or .h5. Runs in the process of Keras (child.py).

Code in such a file is never run: Lambda layers, and others that hold programs, are refused.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from src.common import paths
from src.common.errors import LONGEST_REASON, UserError, first_line
from src.common.files import count
from src.common.shapes import fault_of
from src.common.tf1 import tf
from src.freezing.keras.tracing import concrete, ending, layers_of

MOST_CONFIG = 50_000_000  # bytes
# Layers that hold Python, a pickled module of PyTorch, or a graph in a file elsewhere.
WITH_CODE = ('Lambda', 'TorchModuleWrapper', 'TFSMLayer', 'JaxLayer', 'FlaxLayer')
HDF5 = b'\x89HDF\r\n\x1a\n'  # https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html


def load(file: Path) -> Any:
    """The model in a file, checked to be an image classifier. Raises UserError that says what it is if it is
    not, or if it has Lambda layers or layers that are not in Keras."""
    import keras

    config = _config(file)
    if code := next(_with_code(config), None):
        raise UserError(
            f'{paths.shown(file)} has Python code in {code}, which is never run: rebuild the model from '
            'other layers of Keras (such as Rescaling), copy the weights, and save that'
        )
    try:
        model = keras.saving.load_model(str(file), compile=False, safe_mode=True)
    except Exception as error:  # Keras raises ValueError, TypeError, KeyError, and h5py OSError
        raise UserError(f'Keras cannot load {paths.shown(file)}: {_reason(error)}') from error
    _require_classifier(model, file)
    return model


def probabilities(model: Any, file: Path, sample: np.ndarray) -> Callable[[Any], Any]:
    """A function from the input of the model to class probabilities [N, classes] float32.

    Logits get a softmax, or a sigmoid if there is one unit; one unit p becomes the two classes 1 - p and p.
    `sample` is a batch of inputs. Raises UserError for several units with a sigmoid each.
    """
    size, units = model.input_shape[1:3], model.output_shape[-1]
    end = ending(concrete(lambda x: model(_as_input(x, model), training=False), size))
    if end == 'Sigmoid' and units > 1:
        raise UserError(
            f'{paths.shown(file)} ends in {units} sigmoid units, for several labels of one image: a '
            'classifier ends in a softmax, or in one sigmoid unit'
        )
    if end not in ('Softmax', 'Sigmoid') and units > 1:
        rows = np.asarray(model(_as_input(tf.constant(sample), model), training=False), np.float64)
        end = 'Softmax' if (rows >= 0).all() and np.allclose(rows.sum(1), 1, atol=1e-3) else end

    def apply(x: tf.Tensor) -> tf.Tensor:
        rows = tf.cast(model(_as_input(x, model), training=False), tf.float32)
        if units > 1:
            return rows if end == 'Softmax' else tf.nn.softmax(rows)
        second = rows if end == 'Sigmoid' else tf.nn.sigmoid(rows)
        return tf.concat([1 - second, second], 1)

    return apply


def scales_pixels(model: Any) -> str | None:
    """The name of the layer of the model that scales or normalizes pixels; None if there is none."""
    kinds = ('Rescaling', 'Normalization')
    return next((layer.name for layer in layers_of(model) if type(layer).__name__ in kinds), None)


def _reason(error: Exception) -> str:
    """The cause in an error of Keras, whose first line names the outermost object only."""
    if own := re.search(r"Could not locate (\w+) '([\w>.]+)'", str(error)):
        return f'the {own[1]} {own[2]} is not in Keras: rebuild the model from layers of Keras'
    inner = re.findall(r'Exception encountered: (.+)', str(error))
    return inner[-1][:LONGEST_REASON] if inner else first_line(error)


def _as_input(pixels: Any, model: Any) -> Any:
    dtype = tf.as_dtype(model.inputs[0].dtype)
    return tf.saturate_cast(tf.round(pixels), dtype) if dtype.is_integer else tf.cast(pixels, dtype)


def _config(file: Path) -> dict[str, Any]:
    """The configuration of the model in a file. Raises UserError when the file holds no Keras model."""
    shown = paths.shown(file)
    try:
        with file.open('rb') as stream:
            start = stream.read(len(HDF5))
        if start == HDF5:
            text = _config_of_hdf5(file)
        elif zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                text = _text(archive) if 'config.json' in archive.namelist() else None
        else:
            raise UserError(f'{shown} is no Keras model: neither a .keras file (zip) nor HDF5')
        if text is None:
            what = f'weights without a model: for NETWORK --weights {shown}' if start == HDF5 else 'no model'
            raise UserError(f'{shown} holds {what}')
        config = json.loads(text)
        if fault := fault_of(config, dict):
            raise ValueError(f'in its configuration {fault}')
        return config
    except OSError as error:
        raise UserError(f'cannot read {shown}: {error.strerror or first_line(error)}') from error
    except (ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise UserError(f'{shown} is damaged: {first_line(error)}') from error


def _text(archive: zipfile.ZipFile) -> bytes:
    if archive.getinfo('config.json').file_size > MOST_CONFIG:
        raise ValueError(f'its configuration has more than {MOST_CONFIG:,} bytes')
    return archive.read('config.json')


def _config_of_hdf5(file: Path) -> str | bytes | None:
    import h5py

    with h5py.File(file, 'r') as stream:
        return stream.attrs.get('model_config')


def _with_code(config: Any) -> Iterator[str]:
    """The names of layers that hold Python code or other programs, and of other parts of a configuration that
    do."""
    waiting = [config]
    for value in waiting:
        if isinstance(value, dict):
            kind, inner = value.get('class_name'), value.get('config')
            if kind == '__lambda__':
                yield 'a function'
            elif kind in WITH_CODE:
                name = inner.get('name', '') if isinstance(inner, dict) else ''
                yield f'the {kind} layer {name}'.strip()
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _require_classifier(model: Any, file: Path) -> None:
    """Raise UserError unless the model takes one image [N, height, width, 3] and returns [N, classes]."""
    inputs, outputs = (
        [tuple(one.shape) for one in getattr(model, end, None) or ()] for end in ('inputs', 'outputs')
    )
    what = f'{paths.shown(file)} is no image classifier: '
    if len(inputs) != 1 or len(outputs) != 1:
        found = f'{count(len(inputs), "input")} and {count(len(outputs), "output")}'
        raise UserError(f'{what}it has {found}, not one of each')
    (taken,), (given,) = inputs, outputs
    if len(taken) != 4 or taken[3] != 3:
        raise UserError(what + f'its input is {_shape(taken)}, not [N, height, width, 3]')
    if len(given) != 2 or given[1] is None:
        raise UserError(what + f'its output is {_shape(given)}, not [N, classes]')
    if None in taken[1:3]:
        raise UserError(
            f'{paths.shown(file)} takes images of any size: save it with a fixed input, such as '
            'keras.Input((224, 224, 3))'
        )


def _shape(shape: tuple[int | None, ...]) -> str:
    return '[' + ', '.join('N' if not place else str(size or '?') for place, size in enumerate(shape)) + ']'
