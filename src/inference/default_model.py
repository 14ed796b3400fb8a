"""The frozen model that commands use without --model."""

from __future__ import annotations

import shlex
from pathlib import Path

from src.common import paths
from src.common.names import model_for, named_model


def default_model(data_set: str | None = None) -> Path:
    """The frozen model of a data set: the model with its name, or else the one that was trained on it.

    Without a data set it is the model that ships with Rootstock, which training and freezing never replace.
    Raises UserError if the data set has no frozen model, with the command that makes it.
    """
    if data_set is None and paths.POCKET_DOGS.exists():
        return paths.POCKET_DOGS
    from src.records.next_commands import frozen_model, usual_model

    model = model_for(data_set)
    if data_set and not paths.frozen(model).exists():
        model = usual_model(data_set)
    return frozen_model(named_model(model), data_set)


def why_default(path: Path) -> str:
    """Why `default_model()` returned `path`, and how to use the user's newest model."""
    if path != paths.POCKET_DOGS:
        return 'the model in consts.py, as no --model is given'
    others = [file for file in paths.FROZEN_MODELS_DIR.glob('*.pb') if file != path and file.is_file()]
    newest = max(others, key=lambda file: file.stat().st_mtime, default=None)
    instead = f'; for your newest: --model {shlex.quote(paths.shown(newest))}' if newest else ''
    return f'the model that ships with Rootstock, as no --model is given{instead}'
