"""Whether a frozen file is older than the training of its model, and the next command for the model."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from src.common import paths
from src.common.progress import remark


def to_use(name: str, model: str) -> str:
    """The next command for a trained model: the one that freezes it, if there is no frozen file of these
    weights, else the one that classifies a picture."""
    frozen = paths.frozen(model)
    from src.records.next_commands import to_freeze

    if not frozen.exists() or is_older(frozen):
        return to_freeze(name, model)
    return f'python -m src.inference.classify PHOTO.jpg --model {shlex.quote(model)}'


def is_older(frozen: Path) -> bool:
    """Whether a frozen file that `freeze` writes is older than the weights of its model."""
    model = frozen.stem
    if os.path.abspath(frozen) != str(paths.frozen(model)):  # noqa: PTH100 - it belongs to no model here
        return False
    try:
        return frozen.stat().st_mtime < paths.trained(model).stat().st_mtime
    except OSError:  # one of them is missing
        return False


def remark_on_age(frozen: Path) -> None:
    """Print a line if a frozen file is older than the weights of its model, with the command that freezes
    them."""
    if is_older(frozen):
        from src.records.next_commands import how_to_finish  # imports the recipes

        model = frozen.stem
        remark(
            f'{paths.shown(frozen)} is older than the last training of {model}: to use that one '
            f'{how_to_finish(model)}'
        )
