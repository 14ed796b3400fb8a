"""The shapes of the files of a run (`common.shapes`): model.json and metrics/<model>.json.

Only what commands cannot do without is required: files of earlier versions lack the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

from src.common.shapes import Count
from src.graph.joined.facts import BackboneNotes, JoinedBackbones, OneBackbone
from src.models.test_time_augmentation import VIEWS
from src.recipes.distill_recipe import DistilledHeadRecipe, DistillRecipe
from src.recipes.recipe import FineTuneRecipe, HeadRecipe, PixelRecipe

STUDENT, STUDENT_HEAD = 'student', 'student_head'  # the learners of distillations
RECIPES = (HeadRecipe, PixelRecipe, FineTuneRecipe, DistillRecipe, DistilledHeadRecipe)
_HINTS = {name: hint for one in RECIPES for name, hint in get_type_hints(one).items()}
Settings = TypedDict('Settings', _HINTS | {'batch_size': Annotated[int, 1]}, total=False)


class ModelNotes(TypedDict, total=False):
    """model.json: what a model was trained on and how (`engine.run_files.describe`), and the learner's
    facts."""

    data_set: str
    recipe: str | None
    changed: Settings
    records: str
    classes: list[str]
    counts: dict[str, Count]
    learned_from: list[str]
    settings: Settings
    learner: str | None
    backbone: BackboneNotes | None
    precision: str | None
    thawed: list[str]
    start_sha256: str
    teacher_sha256: str


class TrainedModel(ModelNotes):
    """model.json of a classifier, as training resumes from it and `freeze` reads it."""

    data_set: str
    records: str
    classes: list[str]
    counts: dict[str, Count]
    settings: Settings
    backbone: OneBackbone | JoinedBackbones | None
    precision: str | None


class NetworkSettings(Settings):
    """The settings from which the network of a checkpoint is built again."""

    network: str
    side: Annotated[int, 1]
    views: Literal[VIEWS]


class TrainedNetwork(TrainedModel):
    """model.json of a network that was trained from pixels."""

    settings: NetworkSettings


class TrainedTail(TrainedModel):
    """model.json of a fine-tuned backbone."""

    backbone: OneBackbone
    thawed: list[str]


def learner_in(notes: Mapping[str, Any]) -> str:
    """The kind of learner that a model.json names. Early versions did not note it: only heads had a
    backbone."""
    return notes.get('learner') or ('head' if notes.get('backbone') else 'network')


def trained(notes: Mapping[str, Any]) -> type:
    """The shape that the model.json of a classifier must have, by its learner."""
    return {'network': TrainedNetwork, 'tail': TrainedTail}.get(learner_in(notes), TrainedModel)


class Metrics(ModelNotes, total=False):
    """metrics/<model>.json: the same, and how the run ended (`engine.run_files.outcome`)."""

    steps: Count
    best_step: Count
    ended: str
    seconds: float
    scores: dict[str, Scores]
    calibration: CalibrationNotes


class Scores(TypedDict, total=False):
    """`scoring.scores.whole_score` as JSON, and the scores without the temperature."""

    examples: Count
    top_1: float | None
    top_5: float | None
    log_loss: float | None
    calibration_error: float | None
    log_loss_uncalibrated: float | None
    calibration_error_uncalibrated: float | None


class CalibrationNotes(TypedDict, total=False):
    """`scoring.calibrated.Calibration` as JSON."""

    temperature: Annotated[float, 0]
    fitted_on: str
    examples: Count
    log_loss_before: float | None
    log_loss_after: float | None


class FinishedRun(Metrics):
    """metrics/<model>.json as the commands of `analysis` read it."""

    scores: dict[str, Scores]


class CrossValidated(TypedDict, total=False):
    """cross_validation.json beside model.json: scores by their names, and how they were computed."""

    folds: Count
    calibration: CalibrationNotes
