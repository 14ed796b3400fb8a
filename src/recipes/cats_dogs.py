"""Cats and dogs from 2,000 photos, in the steps of a tutorial (Chollet 2017, Deep Learning with Python, 5.2
and 5.3).

    python -m src.data_preparation.dogs_vs_cats_to_tfrecords --data train.zip --backbone PB \\
        --train-per-class 1000 --validation-per-class 500 --test-per-class 500

makes the records for all of them; networks from pixels need no backbone (`--no-backbone`).
"""

from __future__ import annotations

from src.recipes.recipe import FineTuneRecipe, HeadRecipe, PixelRecipe

NAME, SIDE = 'cats_dogs', 150


def cnn_small() -> PixelRecipe:
    """Four convolutions and one sigmoid unit.

    python -m src.training.train_images --recipe cats_dogs/cnn_small"""
    # The tutorial's training. Averages of weights, soft labels and the mirrored view are additions.
    return PixelRecipe(
        NAME,
        'cnn_small',
        SIDE,
        epochs=30,
        batch_size=20,
        optimiser='rmsprop',
        learning_rate=1e-4,
        label_smoothing=0.1,
        averaging=0.998,
        views=2,
    )


def cnn_small_augmented() -> PixelRecipe:
    """The same with dropout and augmentation.

    python -m src.training.train_images --recipe cats_dogs/cnn_small_augmented"""
    # The tutorial trains with RMSprop for 100 epochs. 30 of this training give 80 %, 120 give 87 to 90 %.
    return PixelRecipe(
        NAME,
        'cnn_small_dropout',
        SIDE,
        epochs=120,
        batch_size=32,
        optimiser='muon',
        learning_rate=0.03,
        momentum=0.9,
        schedule='linear',
        views=2,
        flip=True,
        rotation=40,
        shift=0.2,
        shear=0.2,
        zoom=0.2,
        brightness=0.1,
        contrast=0.2,
    )


def transfer_head() -> HeadRecipe:
    """Two dense layers on the bottlenecks of a frozen backbone, the one that the records were made with.

    python -m src.training.train --recipe cats_dogs/transfer_head"""
    # With mixup the validation log loss is several times as high before calibration: two classes leave few
    # doubts to learn.
    return HeadRecipe(NAME, layers=(0, 256, 1), mixup=0.0)


def transfer_fine_tuned() -> FineTuneRecipe:
    """The last convolutions of the backbone, trained on with the head of the data set.

    python -m src.training.fine_tune --recipe cats_dogs/transfer_fine_tuned"""
    # The head has memorized its training photos: only strong augmentation leaves something to learn.
    return FineTuneRecipe(
        NAME,
        last_convolutions=10,
        variants=8,
        shift=0.15,
        rotation=20,
        zoom=0.3,
        brightness=0.15,
        contrast=0.3,
        epochs=8,
        learning_rate=5e-5,
        averaging=0.99,
    )


RECIPES = (cnn_small, cnn_small_augmented, transfer_head, transfer_fine_tuned)
