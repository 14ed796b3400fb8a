"""The classification networks of keras.applications: their names, with weights, and their bottleneck.

Runs in the process of Keras (child.py). Everything is found by introspection: a network is a function of
keras.applications with the arguments `weights`, `include_top` and `classes`; the module that defines it has
its `preprocess_input`.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.common import paths
from src.common.errors import UserError, first_line
from src.common.files import count

NETWORK_ARGUMENTS = {'weights', 'include_top', 'classes'}
# MobileNetV3 accepts any size. Its ImageNet weights were trained on this one:
# https://github.com/keras-team/keras/blob/v3.15.1/keras/src/applications/mobilenet_v3.py
USUAL_SIDE = 224
# https://github.com/keras-team/keras/blob/v3.15.1/keras/src/applications/efficientnet.py#L205
IMAGENET_STDDEV = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Network:
    """A Keras model with weights.

    preprocess: Keras' own function from pixels [N, height, width, 3], 0 to 255, to the input of the model.
    classifies: whether the model ends in class probabilities (include_top=True).
    """

    model: Any
    preprocess: Callable[[Any], Any]
    classifies: bool

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input."""
        return tuple(side or USUAL_SIDE for side in self.model.input_shape[1:3])


def names() -> list[str]:
    """The names of all networks, sorted."""
    import keras

    members = inspect.getmembers(keras.applications, inspect.isfunction)
    return sorted(
        name for name, make in members if inspect.signature(make).parameters.keys() >= NETWORK_ARGUMENTS
    )


def load(name: str, weights: str | None) -> Network:
    """A network with ImageNet weights ('imagenet'), those in a file (its path), or random ones (None).

    Raises UserError for a name that Keras lacks, when ImageNet weights cannot be downloaded, and for a file
    with the weights of another network.
    """
    import keras

    if name not in names():
        near = difflib.get_close_matches(name.lower(), [known.lower() for known in names()], 3, 0.5)
        similar = [known for known in names() if known.lower() in near] or names()[:3]
        raise UserError(
            f'keras.applications has no network {name}; similar names: {", ".join(similar)} (see --list)'
        )
    make = getattr(keras.applications, name)
    preprocess = sys.modules[make.__module__].preprocess_input
    if weights == 'imagenet':
        return Network(_with_imagenet_weights(name, make), preprocess, True)
    if weights is None:
        return Network(make(weights=None), preprocess, True)
    model, classifies = _with_weights_of(name, make, Path(weights))
    return Network(model, preprocess, classifies)


def bottleneck(model: Any, pooling: str) -> Any:
    """The symbolic bottleneck of a network: what Keras returns with include_top=False, averaged over height
    and width ([N, C]; `pooling` 'avg') or flattened ([N, H * W * C]; 'flatten').

    The last feature map is the input of the last global pooling, or of Flatten in networks without one. A
    layer norm right after the pooling belongs to the bottleneck (ConvNeXt).
    """
    from keras import layers

    if len(model.output.shape) == 4:
        feature_map, norms, pool = model.output, [], None
    else:
        kinds = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
        pools = [layer for layer in model.layers if isinstance(layer, kinds)]
        pool = pools[-1] if pools else next(one for one in model.layers if isinstance(one, layers.Flatten))
        after = model.layers[model.layers.index(pool) + 1]
        feature_map, norms = pool.input, [after] if isinstance(after, layers.LayerNormalization) else []
    if pooling == 'avg' and isinstance(pool, layers.GlobalAveragePooling2D) and not pool.keepdims:
        return norms[0].output if norms else pool.output
    if pooling == 'avg':
        return layers.GlobalAveragePooling2D(name='bottleneck')(feature_map)
    for norm in norms:
        feature_map = norm(feature_map)
    return layers.Flatten(name='bottleneck')(feature_map)


def imagenet_labels() -> list[str]:
    """The names of the 1,000 ImageNet classes in output order, downloaded or from Keras' cache. Raises
    UserError when they cannot be downloaded."""
    import keras

    falling = np.arange(1000, 0, -1, dtype=np.float32)[None]
    try:
        (rows,) = keras.applications.imagenet_utils.decode_predictions(falling, top=1000)
    except Exception as error:
        if not _from_download(error):
            raise
        raise UserError(_download_fault(error)) from error
    return unique([(wnid, name) for wnid, name, _ in rows])


def unique(classes: list[tuple[str, str]]) -> list[str]:
    """The class names of (WordNet id, name) pairs; names that occur twice (crane, maillot) get their id."""
    seen = [name for _, name in classes]
    return [(name if seen.count(name) == 1 else f'{name} {wnid}').replace('_', ' ') for wnid, name in classes]


def _with_imagenet_weights(name: str, make: Callable) -> Any:
    try:
        return make(weights='imagenet')
    except Exception as error:
        if _from_download(error):
            raise UserError(
                f'{name}: Keras cannot download its ImageNet weights: {_download_fault(error)}. Check the '
                'network and repeat, or download that file elsewhere and add --weights FILE'
            ) from error
        if isinstance(error, OSError):  # h5py's, for a file that is not HDF5
            raise UserError(
                f'{name}: the file of weights in the cache of Keras (~/.keras/models) is damaged '
                f'({first_line(error)}): delete it and repeat'
            ) from error
        raise


def _from_download(error: Exception) -> bool:
    """Whether Keras raised it while it downloaded: it raises plain Exception, ValueError and OSError."""
    return any(frame.name == 'get_file' for frame in traceback.extract_tb(error.__traceback__))


def _download_fault(error: Exception) -> str:
    found = re.fullmatch(r'URL fetch failure on (\S+): (?:None -- )?(.*)', first_line(error))
    return f'{found[1]} ({found[2]})' if found else first_line(error)


def _with_weights_of(name: str, make: Callable, file: Path) -> tuple[Any, bool]:
    """The network with the weights in a file, and whether it ends in class probabilities. Files without the
    classifier (Keras' *_notop.h5) are recognized."""
    model = make(weights=None)
    fault = _load(model, file)
    if fault is None:
        _correct_normalization(model, name)
        return model, True
    bare = make(weights=None, include_top=False, input_shape=model.input_shape[1:])
    if _load(bare, file) is None:
        _correct_normalization(bare, name)
        return bare, False
    raise UserError(f'{paths.shown(file)} does not hold the weights of {name}: {fault}')


def _load(model: Any, file: Path) -> str | None:
    """Load the weights of a file into a model. Returns the fault in one line, None if they fit."""
    try:
        model.load_weights(str(file))
    except Exception as error:  # Keras raises ValueError, KeyError, TypeError, and h5py OSError
        return _short(first_line(error))
    return None


def _short(line: str) -> str:
    found = re.match(r'A total of (\d+) objects could not be loaded.* object <\w+ name=([^,>]+)', line)
    return f'{count(int(found[1]), "layer")} differ, such as {found[2]}' if found else line


def _correct_normalization(model: Any, name: str) -> None:
    """EfficientNet B0 to B7 with weights='imagenet' has a layer that the same network with weights=None
    lacks: a division by sqrt(IMAGENET_STDDEV) after the Normalization. It has no weights, so a file of the
    ImageNet weights does not show it. Here the variance of the Normalization is multiplied instead.

    A file that was saved from a network with weights=None has mean 0 there, and stays as it is.
    https://github.com/keras-team/keras/blob/v3.15.1/keras/src/applications/efficientnet.py#L328-L338
    """
    if not re.fullmatch(r'EfficientNetB\d', name):
        return
    from keras import layers

    norm = next(layer for layer in model.layers if isinstance(layer, layers.Normalization))
    mean, variance, *rest = norm.get_weights()
    if mean.any():
        norm.set_weights([mean, variance * np.float32(IMAGENET_STDDEV), *rest])
        norm.finalize_state()
