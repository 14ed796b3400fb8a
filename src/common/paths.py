"""Where files are. Commands write below ROOT: the folder in the environment variable ROOTSTOCK_HOME, or else
the checkout, or else (if pip installed the package) the current folder."""

from __future__ import annotations

import os
from pathlib import Path

from src.common import consts

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = PACKAGE.parent  # meaningful unless INSTALLED
# A wheel has the shipped models inside the package (setup.py).
INSTALLED = (PACKAGE / 'frozen').is_dir()
# A ~ is not expanded by a shell in an .env file or in quotes.
HOME = os.path.expanduser(os.environ.get('ROOTSTOCK_HOME', ''))  # noqa: PTH111  (never raises)
ROOT = Path(HOME or (Path.cwd() if INSTALLED else CHECKOUT)).resolve()

DATA_DIR = ROOT / 'data'
STANFORD_DS_DIR = DATA_DIR / 'stanford_ds'
KAGGLE_DS_DIR = DATA_DIR / 'kaggle'
SAMPLE_DS_DIR = DATA_DIR / 'sample'
CIFAR10_DIR = DATA_DIR / 'cifar10'
CIFAR10_BATCHES_DIR = CIFAR10_DIR / 'cifar-10-batches-bin'
CATS_DOGS_DIR = DATA_DIR / 'cats_dogs'
RECORDS_DIR = DATA_DIR / 'records'
FROZEN_MODELS_DIR = ROOT / 'frozen'
IMAGENET_GRAPH_DEF = FROZEN_MODELS_DIR / 'inception' / 'classify_image_graph_def.pb'
CHECKPOINTS_DIR = ROOT / 'checkpoints'
SUMMARY_DIR = ROOT / 'summary'
METRICS_DIR = ROOT / 'metrics'
SAVED_MODELS_DIR = FROZEN_MODELS_DIR / 'saved_models'

MANIFEST = 'manifest.json'  # in a folder of records
BEST = 'best_checkpoint'  # the file that names the best checkpoint of a model

# The models that ship with Rootstock, wherever ROOT is.
SHIPPED = PACKAGE if INSTALLED else CHECKOUT
POCKET_GRAPH_DEF = SHIPPED / 'frozen' / 'pocket' / 'pocket.pb'
POCKET_DOGS = SHIPPED / 'frozen' / 'pocket_dogs.pb'

WORK_DIRS = (DATA_DIR, FROZEN_MODELS_DIR / 'inception', CHECKPOINTS_DIR, SUMMARY_DIR, METRICS_DIR)


def records(name: str) -> Path:
    """Folder with the TFRecords and the manifest of the data set `name`."""
    return RECORDS_DIR / name


def manifest(name: str) -> Path:
    """The file that describes the records of the data set `name` and their origin."""
    return records(name) / MANIFEST


def checkpoints(model: str) -> Path:
    return CHECKPOINTS_DIR / model


def trained(model: str) -> Path:
    """The file that changes whenever the weights of a model do."""
    return checkpoints(model) / BEST


def frozen(model: str) -> Path:
    return FROZEN_MODELS_DIR / f'{model}.pb'


def summaries(model: str) -> Path:
    return SUMMARY_DIR / model


def scores(model: str) -> Path:
    return METRICS_DIR / f'{model}.json'


def skipped(name: str) -> Path:
    """Table of the files that the conversion of the data set `name` did not use, with reasons."""
    return METRICS_DIR / f'{name}_skipped.csv'


def decisions(name: str) -> Path:
    """What people decided about the photos of the data set `name` (`records.decisions`)."""
    return METRICS_DIR / name / 'decisions.csv'


def analysis(model: str) -> Path:
    """Folder for the tables and plots about a model: metrics/ itself for the current model."""
    return METRICS_DIR if model == consts.CURRENT_MODEL_NAME else METRICS_DIR / model


def interpret(model: str) -> Path:
    """Folder for pictures and pages of what the network sees."""
    return METRICS_DIR / model / 'interpret'


def from_root(path: str | Path) -> str:
    """`path` relative to ROOT or to SHIPPED if it is below one of them, with `/` on every system, so that
    `located` still finds it after a move or on another machine."""
    path = Path(path).resolve()
    base = next((base for base in (ROOT, SHIPPED) if path.is_relative_to(base)), None)
    return path.relative_to(base).as_posix() if base else str(path)


def located(path: str | Path) -> Path:
    """`path`, or the shipped file of this path if nothing is at `path`. Takes paths as `from_root` returns
    them, and as they read in a checkout (`frozen/pocket/pocket.pb`)."""
    path = Path(path)
    shipped = SHIPPED / (path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
    return shipped if shipped.exists() and not path.exists() else path


def shown(path: str | Path) -> str:
    """`path` as a person would type it: relative to the working folder if it is below it."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links)
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else path)
