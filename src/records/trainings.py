"""The trainings in checkpoints/, by their notes: checkpoints/<model>/model.json."""

from __future__ import annotations

from pathlib import Path

from src.common import files, paths
from src.common.names import Model, model_for
from src.records.manifest import manifest_of
from src.records.run_notes import STUDENT, STUDENT_HEAD, ModelNotes

MODEL_FILE = 'model.json'
CROSS_VALIDATED = 'cross_validation.json'  # the scores of `train --folds`, beside MODEL_FILE
DISTILLATIONS = {
    STUDENT: 'python -m src.training.distill',
    STUDENT_HEAD: 'python -m src.training.distill_head',
}


def model_notes(model: str) -> dict:
    """The content of checkpoints/<model>/model.json: data and settings of a training; {} when missing
    or damaged."""
    return files.read_notes(paths.checkpoints(model) / MODEL_FILE, ModelNotes)


def distilled_by(model: str) -> str | None:
    """The command that distilled a model, without its arguments, which are not stored; None of others."""
    return DISTILLATIONS.get(model_notes(model).get('learner'))


def only_frozen(model: Model, name: str | None = None) -> Path | None:
    """The frozen file of a model that was not trained here: one that ships, or was copied or imported. None
    of others, and of the usual model of the data set `name` (default: the current one) or of its own."""
    usual = model.name == model_for(name) or manifest_of(model.name)
    return None if usual or model_notes(model.name) else model.file


def trained_on(name: str | None = None) -> list[str]:
    """The models that were trained on a data set (on any one by default), the newest first."""
    notes = sorted(paths.CHECKPOINTS_DIR.glob(f'*/{MODEL_FILE}'), key=lambda path: -path.stat().st_mtime)
    return [
        path.parent.name for path in notes if name in (None, model_notes(path.parent.name).get('data_set'))
    ]
