"""A distillation from photos and teacher to the backbone file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.files import count, human_size
from src.common.progress import next_step, say, wrote
from src.common.tf1 import tf
from src.engine import checkpoints, loop
from src.engine.checkpoints import State
from src.engine.distilling.answers import Answers
from src.engine.distilling.backbone import student_graph
from src.engine.distilling.gathering import gather
from src.engine.distilling.start import Start, read_start
from src.engine.distilling.student import Distillation
from src.engine.distilling.teacher import Teacher
from src.engine.run_files import claim, ended_line
from src.graph import precision
from src.graph.backbone_flags import Asked
from src.graph.backbones import load_tried, tried
from src.graph.graph_io import write_graph
from src.graph.joined.facts import joined, without_path
from src.graph.model_info import origin
from src.recipes.changes import changes
from src.recipes.distill_recipe import DistillRecipe
from src.records.run_notes import STUDENT

HELD_SHARE, MOST_HELD = 0.02, 1000  # photos that the student does not learn from
NO_SETTINGS = ('precision', 'final_side')  # a run may go on with others


@dataclass(frozen=True)
class Inputs:
    """The photos (as `photo_sources.source_of` takes them) and teachers of a distillation; `left_out` is a
    file with names of photos that are not used, `start` a distilled backbone whose weights the student starts
    with."""

    photos: Sequence[str]
    teachers: Sequence[Asked]
    left_out: Path | None = None
    start: Path | None = None


@dataclass(frozen=True)
class Run:
    """A distillation of `recipe`, whose precision is settled; `name` is that of the recipe."""

    model: str
    recipe: DistillRecipe
    name: str
    answers: Answers
    start: Start | None


def distill(inputs: Inputs, model: str, recipe: DistillRecipe, name: str, fresh: bool = False) -> Path:
    """Train the student, or go on training it, and write frozen/<model>.pb, which is returned.

    Raises UserError for teachers that are no backbones, for a start that is none of this student, without
    photos, for a first side above the last one, and when checkpoints/<model> was begun with other photos,
    teachers or settings, unless `fresh`.
    """
    if (recipe.first_side or 0) > recipe.side:
        raise UserError(f'--first-side {recipe.first_side} is above --side {recipe.side}')
    settled = replace(recipe, precision=precision.resolve(recipe.precision))
    start = read_start(inputs.start, recipe.student) if inputs.start else None
    teacher = Teacher([tried(teacher) for teacher in inputs.teachers], settled.precision)
    teacher.say_loaded()
    photos = gather(inputs.photos, inputs.left_out, settled.stored_side)
    # The lowest hashes: the same photos in every run.
    held, train = np.split(np.arange(len(photos)), [min(MOST_HELD, int(HELD_SHARE * len(photos)))])
    say(f'{count(len(train), "photo")} to learn from, {len(held):,} to evaluate on')
    number = 1 if settled.fresh_views else settled.views
    answers = Answers(teacher, photos, settled.view_settings, settled.seed, number)
    run = Run(model, settled, name, answers, start)
    claim(model, _description(run, recipe), fresh)
    answers.compute()
    state, scores = _train(run, train, held)
    teacher.close()
    return _write(run, state, scores)


def _description(run: Run, recipe: DistillRecipe) -> dict[str, Any]:
    settings = {key: value for key, value in asdict(run.recipe).items() if key not in NO_SETTINGS}
    photos, backbones = run.answers.photos, run.answers.teacher.backbones
    started = {'start_sha256': run.start.sha256} if run.start else {}
    return started | {
        'learner': STUDENT,
        'recipe': run.name,
        'changed': changes(recipe, run.name),
        'records': photos.fingerprint,
        'classes': [],
        'counts': {'train': len(photos)},
        'backbone': joined([without_path(backbone.facts()) for backbone in backbones]),
        'settings': settings | {'start': run.start.path.name if run.start else ''},
    }


def _train(run: Run, train: np.ndarray, held: np.ndarray) -> tuple[State, dict[str, float]]:
    folder, summaries = paths.checkpoints(run.model), paths.summaries(run.model)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(run.recipe.seed)
        student = Distillation(run.recipe, run.answers, train, held)
        student.initialize(session, run.start)
        student.show_inputs(session, summaries)
        state = loop.fit(session, student.task(), folder, summaries)
        scores = student.evaluate(session)
    say(ended_line(state, 'validation_loss'))
    say(', '.join(f'{key.replace("_", " ")} {value:.4g}' for key, value in scores.items()))
    return state, scores


def _write(run: Run, state: State, scores: dict[str, float]) -> Path:
    checkpoint = checkpoints.best_checkpoint(paths.checkpoints(run.model))
    side, answers = run.recipe.side_of_backbone, run.answers
    started = {'start': {'file': run.start.path.name, 'sha256': run.start.sha256}} if run.start else {}
    info = (
        started
        | {
            'model': run.model,
            'bottleneck': consts.BOTTLENECK_TENSOR,
            'input_size': [side, side],
            'recipe': run.name,
            'settings': asdict(run.recipe),
            'teachers': [backbone.path.name for backbone in answers.teacher.backbones],
            'photos': len(answers.photos),
            'steps': state.best_step,
            'losses': {key: float(f'{value:.4g}') for key, value in scores.items()},
        }
        | origin()
    )
    graph_def = student_graph(run.recipe.student, side, info, checkpoint)
    path = paths.frozen(run.model)
    with files.atomic_path(path) as part:
        write_graph(graph_def, part)
        width = load_tried(part).width
    size = human_size(path.stat().st_size)
    wrote(path, f'{size}: a backbone for {side} x {side} pixels, bottleneck [N, {width}]')
    next_step(
        'python -m src.data_preparation.image_folder_to_tfrecords DIR --name NAME --backbone '
        + shlex.quote(paths.shown(path))
    )
    return path
