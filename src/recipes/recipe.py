"""What a recipe is: one experiment with all its settings, so that it can be repeated and compared.

Each field holds a setting's default, type and help text: the flags of the training commands and the tables of
settings in the documentation are made from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from src.common import consts
from src.common.cli import layer_sizes, real_number, seed_number, size_of_batch, whole_number
from src.graph import precision
from src.models.networks import NETWORKS
from src.models.test_time_augmentation import VIEWS

OPTIMIZERS = ('adam', 'rmsprop', 'sgd', 'muon')
# Settings of a PixelRecipe that are arguments of images/augment.augment.
AUGMENTATION = ('crop', 'flip', 'rotation', 'shift', 'shear', 'zoom', 'brightness', 'contrast', 'cutout')
SOLVERS = ('adam', 'adadelta', 'lbfgs')
# Settings of a HeadRecipe that the solver lbfgs does not have.
NOT_OF_LBFGS = ('steps', 'batch_size', 'learning_rate', 'dropout', 'mixup', 'patience')
SCHEDULES = ('constant', 'linear', 'cosine')


def setting(default: Any, help_text: str, **flag: Any) -> Any:
    """A field that is a flag too: `flag` are options of argparse's add_argument, and the `default_text` of
    `cli.add_fields`; a bool is on or off."""
    return field(default=default, metadata={'help': help_text, **flag})


def as_in(recipe: type, name: str, default: Any = None) -> Any:
    """The setting `name` of another kind of recipe, with its own `default` unless that is None."""
    other = recipe.__dataclass_fields__[name]
    return field(default=other.default if default is None else default, metadata=other.metadata)


@dataclass(frozen=True)
class HeadRecipe:
    """A head on the cached bottlenecks of a data set."""

    data_set: str = consts.CURRENT_DATASET_NAME
    layers: Sequence[int] | None = setting(
        None,
        'units of each layer, such as 2048,1024,120: bottleneck width, hidden layers, number of classes (1: '
        'a sigmoid unit for two classes); 0 at an end follows the data',
        type=layer_sizes,
    )
    solver: str = setting(
        'adam',
        'adam, adadelta, or for a head without hidden layers lbfgs (L-BFGS), which is faster and chooses '
        '--l2; settings marked (not lbfgs) do not apply to it',
        choices=SOLVERS,
    )
    mirror: bool = setting(
        False,
        'train on the mirrored photos too, and average the logits of a photo and its mirror image; records '
        'without bottlenecks of the mirrored photos get them first',
    )
    steps: int | None = setting(
        None,
        'training steps (not lbfgs)',
        type=whole_number(1),
        default_text=f'{consts.STEPS}; with --all-splits at most {consts.STEPS_OF_A_CLASS} for each class',
    )
    batch_size: int = setting(consts.BATCH_SIZE, 'examples in a step (not lbfgs)', type=size_of_batch)
    learning_rate: float = setting(
        consts.LEARNING_RATE,
        'initial learning rate; cosine decay to zero (not lbfgs)',
        type=real_number(1e-9, 10),
    )
    dropout: float = setting(
        consts.DROPOUT, 'dropout rate of the inputs of each layer (not lbfgs)', type=real_number(0, 1)
    )
    l2: float | None = setting(
        None,
        "factor of half the squared weights in the loss, scikit-learn's 1 / (C * photos)",
        type=real_number(0, 10_000),
        default_text=f'{consts.L2}; lbfgs chooses it on validation photos or by cross-validation',
    )
    mixup: float = setting(
        consts.MIXUP,
        'mixup alpha: lambda ~ Beta(alpha, alpha); 0 disables it (not lbfgs)',
        type=real_number(0, 100),
    )
    patience: int = setting(
        consts.PATIENCE,
        'evaluations without a better validation log loss before training stops; 0: never (not lbfgs)',
        type=whole_number(0),
    )
    seed: int = setting(consts.SEED, 'random seed', type=seed_number)
    all_splits: bool = setting(
        False, 'train on every photo, for a final model: no validation, no early stop; see --folds'
    )

    backbones: Sequence[str] | None = setting(
        None,
        'names of backbones, for records of several: use the bottlenecks of these only',
        nargs='+',
        metavar='NAME',
        default_text='all',
    )

    # Widths of the bottlenecks of several backbones, from the records; set for lbfgs only.
    blocks: Sequence[int] | None = None

    @property
    def learned_splits(self) -> tuple[str, ...]:
        """The splits that the head learns from."""
        return consts.SPLITS if self.all_splits else ('train',)


@dataclass(frozen=True)
class PixelRecipe:
    """A network that learns from pixels."""

    data_set: str
    network: str = setting('cnn_simple', 'network', choices=sorted(NETWORKS))
    side: int = setting(32, 'height and width that pictures are resized to, in pixels', type=whole_number(8))
    epochs: float = setting(20, 'passes over the training pictures', type=real_number(0.001, 100_000))
    batch_size: int = setting(128, 'pictures in a step', type=size_of_batch)
    optimiser: str = setting('adam', 'optimizer', choices=OPTIMIZERS)
    learning_rate: float = setting(0.001, 'highest learning rate', type=real_number(1e-9, 1e9))
    momentum: float = setting(0.9, 'momentum of sgd and muon', type=real_number(0, 1))
    schedule: str = setting(
        'constant', 'learning rate schedule; linear and cosine decay to zero', choices=SCHEDULES
    )
    warmup: float = setting(
        0.0, 'share of the steps over which the learning rate rises from zero', type=real_number(0, 1)
    )
    weight_decay: float = setting(0.0, 'weight decay', type=real_number(0, 100))
    label_smoothing: float = setting(0.0, 'label smoothing', type=real_number(0, 1))
    averaging: float = setting(0.0, 'EMA decay of the weights; 0: no averaging', type=real_number(0, 1))
    crop: int = setting(
        0, 'random shifts of up to this many pixels, with mirrored edges', type=whole_number(0)
    )
    flip: bool = setting(False, 'mirror each picture in every other epoch')
    cutout: int = setting(0, 'side of a square that is grayed out, in pixels; 0: none', type=whole_number(0))
    rotation: float = setting(0.0, 'random rotation by up to this many degrees', type=real_number(0, 180))
    shift: float = setting(
        0.0, 'random shift along each axis by up to this share of the side', type=real_number(0, 1)
    )
    shear: float = setting(0.0, 'random shear by up to this angle in radians', type=real_number(0, 1))
    zoom: float = setting(
        0.0, "random change of each axis' scale by up to this share", type=real_number(0, 1)
    )
    brightness: float = setting(
        0.0, 'random change of brightness by up to this share of the range', type=real_number(0, 1)
    )
    contrast: float = setting(0.0, 'random change of contrast by up to this share', type=real_number(0, 1))
    views: int = setting(
        1,
        'test-time augmentation: average the predictions over this many views (mirrored, shifted by a pixel)',
        type=int,
        choices=VIEWS,
    )
    precision: str = setting('auto', 'precision of the training', choices=precision.CHOICES)
    patience: int = setting(
        0,
        'epochs without a better validation error before training stops; 0: never',
        type=whole_number(0),
    )
    with_validation: bool = setting(False, 'train on the validation pictures too')
    seed: int = setting(1, 'random seed', type=seed_number)

    @property
    def learned_splits(self) -> tuple[str, ...]:
        """The splits that the network learns from."""
        return ('train', 'validation') if self.with_validation else ('train',)

    @property
    def augmentation(self) -> dict[str, Any]:
        """The settings of the augmentation, as arguments of images/augment.augment."""
        return {name: getattr(self, name) for name in AUGMENTATION}


@dataclass(frozen=True)
class FineTuneRecipe:
    """The last layers of a backbone, trained on together with a head that was trained before."""

    data_set: str
    start: str = ''  # the model whose head it starts from; '': that of the data set
    thaw: Sequence[str] | None = setting(
        None,
        "names or patterns of the layers to train, such as 'block5_*'; may be repeated",
        nargs='+',
        action='extend',
        metavar='PATTERN',
        default_text='the last convolutions, see --last-convolutions',
    )
    last_convolutions: int = setting(
        4,
        'without --thaw: train the last so many convolutions of the backbone',
        type=whole_number(1),
        metavar='N',
    )
    cache: bool = setting(
        True,
        'compute the activations before the trained layers once and store them; --no-cache runs the whole '
        'network at each step, with new augmentation',
    )
    variants: int = setting(
        4,
        'with the cache: versions of each training photo, the photo itself and augmented ones',
        type=whole_number(1, 100),
    )
    shift: float = setting(
        0.1,
        'augmentation: random shifts of up to this share of the side, with mirrored edges',
        type=real_number(0, 0.5),
    )
    flip: bool = setting(True, 'augmentation: mirror each photo in every other variant or epoch')
    rotation: float = setting(
        0.0, 'augmentation: rotation by up to this many degrees', type=real_number(0, 180)
    )
    zoom: float = setting(
        0.0, "augmentation: change of each axis' scale by up to this share", type=real_number(0, 1)
    )
    brightness: float = setting(
        0.0, 'augmentation: change of brightness by up to this share of the range', type=real_number(0, 1)
    )
    contrast: float = setting(
        0.0, 'augmentation: change of contrast by up to this share', type=real_number(0, 1)
    )
    epochs: float = setting(10, 'passes over the training photos', type=real_number(0.001, 100_000))
    batch_size: int = setting(32, 'photos in a step', type=size_of_batch)
    learning_rate: float = setting(
        0.0001, 'highest learning rate of Adam; cosine decay to zero', type=real_number(1e-9, 10)
    )
    warmup: float = as_in(PixelRecipe, 'warmup', 0.1)
    dropout: float = setting(
        0.5, 'dropout rate of the inputs of each layer of the head', type=real_number(0, 1)
    )
    label_smoothing: float = as_in(PixelRecipe, 'label_smoothing')
    weight_decay: float = setting(
        0.0, 'decoupled weight decay of the kernels of the backbone', type=real_number(0, 100)
    )
    averaging: float = as_in(PixelRecipe, 'averaging')
    patience: int = setting(
        5,
        'evaluations without a better validation log loss before training stops; 0: never',
        type=whole_number(0),
    )
    seed: int = setting(consts.SEED, 'random seed', type=seed_number)

    @property
    def learned_splits(self) -> tuple[str, ...]:
        """The splits that the layers learn from."""
        return ('train',)

    @property
    def augmentation(self) -> dict[str, Any]:
        """The settings of the augmentation, as `engine/fine_tuning/variants.varied` takes them; what is off
        is left out, except `shift` and `flip`."""
        more = {name: getattr(self, name) for name in ('rotation', 'zoom', 'brightness', 'contrast')}
        return {'shift': self.shift, 'flip': self.flip, **{name: v for name, v in more.items() if v}}
