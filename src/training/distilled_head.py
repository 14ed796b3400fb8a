"""A head from a teacher's class probabilities, from photos to the frozen file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from src.common import files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say
from src.engine import checkpoints
from src.engine.distilling.answers import Answers
from src.engine.distilling.class_teacher import ClassTeacher, load_class_teacher
from src.engine.distilling.gathering import encoded, gather
from src.engine.distilling.head import StudentHead, learn_head, require_memory, write_checkpoint
from src.engine.distilling.teacher import Teacher
from src.engine.learners.head import HeadGraph
from src.engine.run_files import claim
from src.freezing.join import join
from src.freezing.proof import prove
from src.graph import precision
from src.graph.backbone_flags import Asked
from src.graph.backbones import Backbone, load_as, tried
from src.graph.graph_io import write_graph
from src.graph.joined.facts import without_path
from src.graph.model_info import origin
from src.recipes.distill_recipe import DistilledHeadRecipe
from src.records.run_notes import STUDENT_HEAD
from src.records.trainings import MODEL_FILE
from src.scoring.calibrated import UNCALIBRATED


@dataclass(frozen=True)
class Inputs:
    """The photos (as `gathering.gather` takes them), the teacher and the backbone; `left_out` is a file with
    names of photos that are not used."""

    photos: Sequence[str]
    teacher: Asked
    backbone: Asked
    left_out: Path | None = None


@dataclass(frozen=True)
class Run:
    """A training of `recipe`, whose precision is settled. `wanted` are the teacher's answers and `given` the
    backbone's."""

    model: str
    recipe: DistilledHeadRecipe
    teacher: ClassTeacher
    wanted: Answers
    given: Answers

    @property
    def backbone(self) -> Backbone:
        return self.given.teacher.backbones[0]

    @property
    def taught_by(self) -> dict[str, Any]:
        """The facts of the teacher."""
        return without_path(self.teacher.teacher.backbones[0].facts())


def distill_head(inputs: Inputs, model: str, recipe: DistilledHeadRecipe, fresh: bool = False) -> Path:
    """Train the head, write checkpoints/<model> and frozen/<model>.pb, and return that path.

    Raises UserError for a teacher that is no classifier or has no labels, for a backbone that is none,
    without photos, when the file would replace one of both, and when the model was begun with other photos,
    graphs or settings, or by another command, unless `fresh`.
    """
    _require_free(inputs, model, fresh)
    settled = replace(recipe, precision=precision.resolve(recipe.precision))
    teacher = load_class_teacher(inputs.teacher, settled.precision)
    teacher.teacher.say_loaded()
    backbone = Teacher([tried(inputs.backbone)], settled.precision, 'backbone')
    backbone.say_loaded()
    photos = gather(inputs.photos, inputs.left_out, settled.stored_side)
    say(f'{count(len(photos), "photo")} to learn {count(len(teacher.labels), "class", "classes")} from')
    wanted, given = (
        Answers(one, photos, settled.view_settings, settled.seed, settled.views)
        for one in (teacher.teacher, backbone)
    )
    run = Run(model, settled, teacher, wanted, given)
    require_memory(given, len(teacher.labels))
    claim(model, _description(run), fresh)
    for answers in (wanted, given):
        answers.compute()
        answers.teacher.close()
    head = learn_head(teacher, wanted, given, settled.l2)
    write_checkpoint(head, paths.checkpoints(model))
    _report(head, settled.l2)
    return _freeze(run, head, inputs.photos)


def _require_free(inputs: Inputs, model: str, fresh: bool) -> None:
    """Raise UserError when frozen/<model>.pb is the teacher or the backbone, or was made by another command,
    unless `fresh`."""
    path = paths.frozen(model)
    for one in (inputs.teacher.path, inputs.backbone.path):
        if one.exists() and path.exists() and one.samefile(path):
            raise UserError(f'{paths.shown(path)} would be replaced: choose another --model')
    if path.exists() and not fresh and not (paths.checkpoints(model) / MODEL_FILE).exists():
        raise UserError(
            f'{paths.shown(path)} was made by another command: add --fresh to replace it, or choose another '
            '--model'
        )


def _description(run: Run) -> dict[str, Any]:
    taught_by = run.taught_by
    return {
        'learner': STUDENT_HEAD,
        'recipe': None,
        'changed': {},
        'records': run.given.photos.fingerprint,
        'classes': run.teacher.labels,
        'counts': {'train': len(run.given.photos)},
        'learned_from': [],
        'backbone': without_path(run.backbone.facts()),
        'precision': run.recipe.precision,
        'settings': asdict(run.recipe) | {'teacher': taught_by['file']},
        'teacher_sha256': taught_by['sha256'],
    }


def _report(head: StudentHead, asked: float | None) -> None:
    say(f'L2 {head.l2:g}, {"chosen" if asked is None else "as given"}')
    if head.held:
        say(
            f'same most probable class as the teacher for {head.agreement:.1%} of '
            f'{count(head.held, "held-out photo")} (cross-entropy {head.cross_entropy:.3f})'
        )


def _freeze(run: Run, head: StudentHead, photos: Sequence[str]) -> Path:
    """Write the file, and prove it before it gets its name."""
    checkpoint, path = checkpoints.best_checkpoint(paths.checkpoints(run.model)), paths.frozen(run.model)
    classes = len(run.teacher.labels)
    graph_def = join(HeadGraph(run.backbone, checkpoint), run.teacher.labels, _model_info(run, head))
    released = load_as(run.backbone.facts(), run.backbone.path, faster=False)
    with files.atomic_path(path) as part:
        write_graph(graph_def, part)
        difference, number = prove(
            part, HeadGraph(released, checkpoint), encoded(photos), classes, paths.shown(checkpoint)
        )
    say(
        f'checked on {count(number, "picture")}: same probabilities as backbone and head '
        f'(maximum difference {difference:.1e})'
    )
    return path


def _model_info(run: Run, head: StudentHead) -> dict[str, Any]:
    held = {'photos': head.held, 'cross_entropy': head.cross_entropy, 'agreement': head.agreement}
    return {
        'model': run.model,
        'data_set': None,
        'records': None,
        'learned_from': [],
        'backbone': without_path(run.backbone.facts()),
        'precision': run.recipe.precision,
        'settings': asdict(run.recipe),
        'scores': {},
        'calibration': UNCALIBRATED.facts,
        'teacher': run.taught_by,
        'photos': len(run.given.photos),
        'l2': float(f'{head.l2:.6g}'),
        'held_out': held,
    } | origin()
