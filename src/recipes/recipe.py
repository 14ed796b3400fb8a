"""What a recipe is: an experiment named completely, so that it can be repeated and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.common import consts

OPTIMIZERS = ('adam', 'sgd', 'muon')
SCHEDULES = ('constant', 'linear', 'cosine')


@dataclass(frozen=True)
class HeadRecipe:
    """A head on the cached bottlenecks of a data set.

    `layers` None: as consts.py has them, the ends by the data. `patience` is the number of evaluations
    without a better validation log loss before it stops, 0 for never; `all_splits` learns from all examples.
    """

    data_set: str = consts.CURRENT_DATASET_NAME
    layers: Sequence[int] | None = None
    steps: int = consts.STEPS
    batch_size: int = consts.BATCH_SIZE
    learning_rate: float = consts.LEARNING_RATE
    dropout: float = consts.DROPOUT
    l2: float = consts.L2
    mixup: float = consts.MIXUP
    patience: int = consts.PATIENCE
    seed: int = consts.SEED
    all_splits: bool = False


@dataclass(frozen=True)
class PixelRecipe:
    """A network that learns from pixels.

    Pictures are resized to `side` x `side`. Of each example in a batch `crop` is by how many pixels at most
    it is moved (mirrored at the edges), `flip` whether half of them are mirrored, the others in the next
    epoch, `cutout` the side of the square that is greyed out. `optimiser`: training/optimisers.py. `schedule`
    of the learning rate: constant, or down to zero along a line or half a cosine; `warmup` is the share of
    steps over which it rises first. `averaging` is the decay of the averaged weights that the model is used
    with, 0 for the last ones. `views`: of how many views of a picture the mean answer counts in use
    (models/test_time_augmentation.py). `precision` is what training computes in. `patience` is the number of
    epochs without a better validation error before it stops, 0 for never; `with_validation` learns from
    validation pictures too.
    """

    data_set: str
    network: str
    side: int
    epochs: float
    batch_size: int = 128
    optimiser: str = 'adam'
    learning_rate: float = 0.001
    momentum: float = 0.9
    schedule: str = 'constant'
    warmup: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    averaging: float = 0.0
    crop: int = 0
    flip: bool = False
    cutout: int = 0
    views: int = 1
    precision: str = 'auto'
    patience: int = 0
    with_validation: bool = False
    seed: int = 1
