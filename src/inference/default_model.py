"""The frozen model that commands use when none is given, and why."""

from __future__ import annotations

import shlex
from pathlib import Path

from src.common import consts, paths
from src.common.names import Model, named_model
from src.records.next_commands import data_set_of, frozen_model, usual_model


def default_model(name: str | None = None) -> Path:
    """The frozen model of the data set `name`: its namesake, else the one that was trained on it. Without a
    name the model that ships with Rootstock: training and freezing never replace it.

    Raises UserError when the data set has no frozen model, with the command that makes it.
    """
    if name is None and paths.POCKET_DOGS.exists():
        return paths.POCKET_DOGS
    model = paths.model_for(name)
    if name and not paths.frozen(model).exists():
        model = usual_model(name)
    return frozen_model(name or consts.CURRENT_DATASET_NAME, named_model(model))


def frozen_file(model: Model) -> Path:
    """The frozen file of a model that --model gives. Raises UserError when there is none, with the command
    that makes it and with similar names."""
    return frozen_model(data_set_of(model.name), model)


def frozen_source(model: Model) -> Path:
    """The same for a server: the folder where the model has versions."""
    return model.frozen if model.frozen.is_dir() else frozen_file(model)


def why_default(path: Path) -> str:
    """Why `default_model()` gave `path`, and how to use the newest of the user's own models."""
    if path != paths.POCKET_DOGS:
        return 'the model that consts.py names, as no --model is given'
    others = [file for file in paths.FROZEN_MODELS_DIR.glob('*.pb') if file != path and file.is_file()]
    newest = max(others, key=lambda file: file.stat().st_mtime, default=None)
    instead = f'; for your newest: --model {shlex.quote(paths.shown(newest))}' if newest else ''
    return f'the model that ships with Rootstock, as no --model is given{instead}'
