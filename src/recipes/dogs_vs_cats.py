"""Kaggle's Dogs vs. Cats with the bottlenecks of several backbones side by side (Yang Peiwen 2017,
https://github.com/ypwhs/dogs_vs_cats)."""

from __future__ import annotations

from src.recipes.recipe import HeadRecipe

NAME = 'dogs_vs_cats'


def gap_fusion() -> HeadRecipe:
    """One sigmoid unit on the bottlenecks of ResNet50, Xception and InceptionV3 side by side, 6,144 values; a
    fifth of the photos validates.

    python -m src.freezing.keras_import ResNet50           # and Xception, InceptionV3
    python -m src.data_preparation.dogs_vs_cats_to_tfrecords --data train.zip --name dogs_vs_cats \\
        --train-per-class 0.8 --validation-per-class 0.2 \\
        --backbone frozen/ResNet50.pb frozen/Xception.pb frozen/InceptionV3.pb
    python -m src.training.train --recipe dogs_vs_cats/gap_fusion

    The head takes what the records hold: with other backbones, such as MobileNet V2, EfficientNet-Lite0 and
    Lite2 (3,840 values), the same commands train the same head."""
    # The tutorial: 8 epochs of 20,000 photos in batches of 128, Adadelta with Keras' rate of that time, 1.
    return HeadRecipe(
        NAME,
        layers=(0, 1),
        steps=1250,
        batch_size=128,
        optimiser='adadelta',
        learning_rate=1.0,
        dropout=0.5,
        l2=0.0,
        mixup=0.0,
    )


RECIPES = (gap_fusion,)
