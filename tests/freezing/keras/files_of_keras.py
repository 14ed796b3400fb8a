"""A program that runs Keras: it saves weights and models, and what Keras computes with them.

    python files_of_keras.py FOLDER networks MobileNetV2 EfficientNetB0
    python files_of_keras.py FOLDER models

The pictures are in FOLDER/<side>.npy, [N, side, side, 3] uint8. Nothing of Rootstock is imported.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

draw = np.random.default_rng(7)


def networks(folder: Path, *names: str) -> None:
    """NAME.h5: random weights. NAME.npz: the `output`, the `bottleneck` as with include_top=False and
    pooling='avg', and, of MobileNetV2, the `map` that is pooled. VGG16 is without its classifier, as that
    is large."""
    for name in names:
        make = getattr(keras.applications, name)
        top = {} if name != 'VGG16' else {'include_top': False, 'input_shape': (224, 224, 3)}
        whole = make(weights=None, **top)
        side = whole.input_shape[1] or 224
        pixels = np.load(folder / f'{side}.npy').astype(np.float32)
        pixels = sys.modules[make.__module__].preprocess_input(pixels)
        randomize(whole, pixels)
        whole.save(folder / f'{name}.h5')
        found = {} if top else {'output': whole(pixels, training=False)}
        bare = make(weights=None, include_top=False, input_shape=(side, side, 3), pooling='avg')
        copy_weights(whole, bare)
        pooled = keras.Model(bare.input, [bare.output, bare.layers[-1].input])
        found['bottleneck'], feature_map = pooled(pixels, training=False)
        if name == 'MobileNetV2':
            found['map'] = feature_map
        np.savez(folder / f'{name}.npz', **{key: np.asarray(value) for key, value in found.items()})
        if name == 'EfficientNetB0':
            adapted(whole).save(folder / 'adapted.h5')


def adapted(model):
    """With a Normalization of some data, as the ImageNet weights have it."""
    (norm,) = (layer for layer in model.layers if isinstance(layer, layers.Normalization))
    norm.set_weights([np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.4]), np.array(0)])
    return model


def copy_weights(source, target) -> None:
    """In the order of the layers, as names of one kind are counted (conv2d_7)."""
    given = [layer for layer in source.layers if layer.weights]
    for layer in (layer for layer in target.layers if layer.weights):
        layer.set_weights(given.pop(0).get_weights())


def randomize(model, inputs) -> None:
    """Random batch norms, so that their means, variances, scales and offsets all count.

    Means and variances are those of the inputs, as otherwise the output of a deep network hardly depends on
    its input. With offsets around 1 most units are positive; with 0, rounding errors grow with depth.
    """
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0
        if layer.gamma is not None:
            layer.gamma.assign(draw.uniform(0.3, 0.9, layer.gamma.shape))
        layer.beta.assign(draw.normal(1, 0.3, layer.beta.shape))
    if norms:
        model(inputs[:16], training=True)


SIDE = 32


def small(*last, first=(), size=(SIDE, SIDE, 3), dtype='float32', low=0, name=None):
    """A small network with a batch norm, a dropout and an augmenting layer."""
    x = image = keras.Input(size, dtype=dtype)
    for layer in (
        *first, layers.RandomFlip(), layers.Conv2D(8, 3, 2), layers.BatchNormalization(), layers.ReLU(),
        layers.Dropout(0.5), layers.GlobalAveragePooling2D(), *last,
    ):  # fmt: skip
        x = layer(x)
    model = keras.Model(image, x, name=name)
    pixels = draw.integers(0, 256, (16, SIDE, SIDE, size[2]))
    randomize(model, (pixels / 127.5 - 1 if low else pixels).astype(dtype))
    return model


def models(folder: Path) -> None:
    """Classifiers and what they predict, and files that are to be refused."""
    pixels = np.load(folder / f'{SIDE}.npy')
    signed = pixels.astype(np.float32) / 127.5 - 1
    scale = (layers.Rescaling(1 / 127.5, offset=-1),)
    softmax = small(layers.Dense(3, activation='softmax'), first=scale)
    sequential = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), small(first=scale, name='body'), layers.Dense(4)]
    )
    sigmoid = small(layers.Dense(1, activation='sigmoid'), low=-1)
    one_logit = small(layers.Dense(1), first=scale)
    whole_numbers = small(layers.Dense(3), layers.Softmax(), first=scale, dtype='uint8')
    saved = {
        'softmax.keras': (softmax, pixels),
        'sequential.keras': (sequential, pixels),
        'sigmoid.h5': (sigmoid, signed),
        'one_logit.keras': (one_logit, pixels),
        'whole_numbers.keras': (whole_numbers, pixels),
    }
    found = {}
    for name, (model, given) in saved.items():
        model.save(folder / name)
        found[name] = model.predict(given, verbose=0)
    np.savez(folder / 'models.npz', **found)

    softmax.save_weights(folder / 'only.weights.h5')
    twice = layers.Lambda(lambda x: 2 * x, name='twice')
    small(layers.Dense(3), first=(twice,)).save(folder / 'lambda.keras')
    nested = keras.Sequential([keras.Input((SIDE, SIDE, 3)), small(first=(twice,)), layers.Dense(2)])
    nested.save(folder / 'lambda.h5')
    small(Own()).save(folder / 'own_layer.keras')
    small(layers.Dense(3, activation='sigmoid')).save(folder / 'labels.keras')
    diverged = small(layers.Dense(3))
    diverged.layers[-1].bias.assign([np.nan] * 3)
    diverged.save(folder / 'diverged.keras')
    small(layers.Dense(3), size=(SIDE, SIDE, 1)).save(folder / 'gray.keras')
    small(layers.Dense(3), size=(None, None, 3)).save(folder / 'any_size.keras')
    image = keras.Input((SIDE, SIDE, 3))
    keras.Model(image, layers.Conv2D(2, 1)(image)).save(folder / 'maps.keras')
    row = keras.Input((7,))
    keras.Model(row, layers.Dense(2)(row)).save(folder / 'rows.keras')
    keras.Model([row, image], [layers.Dense(2)(row)]).save(folder / 'two_inputs.keras')


class Own(layers.Layer):
    def call(self, x):
        return x


if __name__ == '__main__':
    keras.utils.set_random_seed(7)  # the same initial weights in every run
    globals()[sys.argv[2]](Path(sys.argv[1]), *sys.argv[3:])
