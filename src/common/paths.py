"""Where things live. Everything stands below ROOT: the checkout, or the folder that the
environment variable ROOTSTOCK_HOME names."""

from __future__ import annotations

import os
from pathlib import Path

from src.common import consts

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = Path(os.environ.get('ROOTSTOCK_HOME') or CHECKOUT).resolve()

DATA_DIR = ROOT / 'data'
STANFORD_DS_DIR = DATA_DIR / 'stanford_ds'
KAGGLE_DS_DIR = DATA_DIR / 'kaggle'
SAMPLE_DS_DIR = DATA_DIR / 'sample'
CIFAR10_DIR = DATA_DIR / 'cifar10'
RECORDS_DIR = DATA_DIR / 'records'
FROZEN_MODELS_DIR = ROOT / 'frozen'
IMAGENET_GRAPH_DEF = FROZEN_MODELS_DIR / 'inception' / 'classify_image_graph_def.pb'
CHECKPOINTS_DIR = ROOT / 'checkpoints'
SUMMARY_DIR = ROOT / 'summary'
METRICS_DIR = ROOT / 'metrics'
SAVED_MODELS_DIR = FROZEN_MODELS_DIR / 'saved_models'

# What comes with the project itself, wherever ROOT is.
POCKET_GRAPH_DEF = CHECKOUT / 'frozen' / 'pocket' / 'pocket_96.pb'
POCKET_DOGS = CHECKOUT / 'frozen' / 'pocket_dogs.pb'

WORK_DIRS = (DATA_DIR, FROZEN_MODELS_DIR / 'inception', CHECKPOINTS_DIR, SUMMARY_DIR, METRICS_DIR)


def records(name: str) -> Path:
    """Folder with the TFRecords and the manifest of the data set `name`."""
    return RECORDS_DIR / name


def model_for(name: str | None) -> str:
    """The model that goes with a data set: its namesake, or the one that consts.py names."""
    return consts.CURRENT_MODEL_NAME if name in (None, consts.CURRENT_DATASET_NAME) else name


def checkpoints(model: str) -> Path:
    return CHECKPOINTS_DIR / model


def frozen(model: str) -> Path:
    return FROZEN_MODELS_DIR / f'{model}.pb'


def summaries(model: str) -> Path:
    return SUMMARY_DIR / model


def scores(model: str) -> Path:
    return METRICS_DIR / f'{model}.json'


def analysis(model: str) -> Path:
    """Folder for the tables and pictures about a model: metrics/ itself for the current one."""
    return METRICS_DIR if model == consts.CURRENT_MODEL_NAME else METRICS_DIR / model


def from_root(path: str | Path) -> str:
    """`path` relative to ROOT where it lies below it, with `/` on every system, so that a checkout that was
    moved or copied to another system still finds it."""
    path = Path(path).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def shown(path: str | Path) -> str:
    """`path` as a person would type it: relative to the working folder where it lies below it."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would name what a link points to)
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else path)
