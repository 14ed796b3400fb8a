"""A linear head that learns the class probabilities of a teacher for the same views of photos, without labels
(Hinton et al. 2015, arXiv:1503.02531).

    loss(W, b) = mean cross-entropy of softmax(bottleneck W + b) against them + l2 / 2 * |W|^2

The views of a tenth of the photos are held out while the penalty is chosen; then all are learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common import consts, paths
from src.common.errors import UserError
from src.common.files import human_size
from src.common.process.interrupts import interrupts_held
from src.common.progress import progress
from src.common.tf1 import tf
from src.engine.checkpoints import ALL_STEPS, CheckpointManager, State
from src.engine.distilling.answers import Answers
from src.engine.distilling.class_teacher import ClassTeacher
from src.engine.linear.objective import Objective
from src.engine.linear.path import Round, Solution
from src.engine.linear.plan import Plan
from src.models.dense import dense_head, head_variables
from src.records.dataset import Examples

HELD_SHARE, MOST_HELD = 0.1, 1000  # photos that the penalty is chosen on
# Of the bottlenecks' variance, as a share of their squared mean: below it they differ by rounding only.
LEAST_SPREAD = 1e-12


@dataclass(frozen=True)
class StudentHead:
    """W [width, classes] and b [classes], float32; `l2`, the penalty; `steps`, evaluations of the loss.

    cross_entropy: against the teacher's probabilities for the `held` photos, of the head with this penalty
        that has not learned from them; None without any.
    agreement: the share of them with the same most probable class.
    """

    weights: np.ndarray
    biases: np.ndarray
    l2: float
    steps: int
    held: int
    cross_entropy: float | None
    agreement: float | None


def require_memory(given: Answers, classes: int) -> None:
    """Raise UserError when the answers to all views will not fit in memory."""
    size = 4 * len(given.photos) * given.number * (given.teacher.width + classes)
    if size > consts.MAX_EXAMPLE_BYTES:
        raise UserError(
            f'the answers to all views take {human_size(size)} of memory, more than MAX_EXAMPLE_BYTES in '
            'src/common/consts.py allows: raise it, or give fewer photos or --views'
        )


def learn_head(teacher: ClassTeacher, wanted: Answers, given: Answers, l2: float | None) -> StudentHead:
    """The head on the backbone's answers `given` that agrees best with the teacher's answers `wanted`, both
    computed before, for the same views.

    l2: the penalty; None: it is chosen. Raises UserError when the teacher's answers give no probabilities
    (`class_teacher`), and when the backbone's are the same for all photos.
    """
    photos, views, classes = len(given.photos), given.number, len(teacher.labels)

    def examples(rows: np.ndarray, numbers: range) -> Examples:
        ids = [f'{row}/{view}' for view in numbers for row in rows]
        values = np.empty((len(ids), given.teacher.width), np.float32)
        targets = np.empty((len(ids), classes), np.float32)
        for place, view in enumerate(numbers):
            part = slice(place * len(rows), (place + 1) * len(rows))
            values[part] = given.of(rows, view)
            targets[part] = teacher.probabilities(wanted.of(rows, view))
        return Examples(ids, targets, values)

    # The lowest hashes: the same photos in every run.
    held, others = np.split(np.arange(photos), [min(MOST_HELD, round(HELD_SHARE * photos))])
    groups = [examples(others, range(views))]
    if len(held):
        groups.append(examples(held, range(1)))
    if len(held) and views > 1:
        groups.append(examples(held, range(1, views)))
    plan = Plan(groups, [Round([0], 1)] if len(held) else [], range(len(groups)), l2)
    steps = 0

    def seen(solution: Solution) -> None:
        bar.set_postfix_str(f'L2 {solution.l2:g}, cross-entropy {solution.log_loss:.3f}', refresh=False)

    bar = progress(None, 'training', 'evaluations of the loss')
    with interrupts_held() as raise_pending, bar, Objective(groups, classes, classes) as objective:
        least = LEAST_SPREAD * float(np.square(objective.mean).sum()) + np.finfo(np.float32).tiny
        if objective.spread <= least:
            raise UserError(
                f'{paths.shown(given.teacher.backbones[0].path)} gives the same bottleneck for all photos: '
                'choose another --backbone or other photos'
            )

        def tick(_: float) -> None:
            nonlocal steps
            raise_pending()
            steps += 1
            bar.update(1)

        best, found = plan.solve(objective, tick, seen)
        layer = objective.layer(found)
    scores = (best.log_loss, 1 - best.error) if len(held) else (None, None)
    return StudentHead(*layer, best.l2, steps, len(held), *scores)


def write_checkpoint(head: StudentHead, folder: Path) -> None:
    """Write the head as the best and last checkpoint of a folder: `head/W1`, `head/b1` and `l2`."""
    with tf.Graph().as_default(), tf.Session() as session:
        dense_head(tf.placeholder(tf.float32, [None, len(head.weights)]), head.weights.shape)
        l2 = tf.get_variable('l2', [], tf.float32, tf.zeros_initializer(), trainable=False)
        variables = *head_variables(), l2
        for variable, value in zip(variables, (head.weights, head.biases, head.l2), strict=True):
            variable.load(value, session)
        manager = CheckpointManager(session, {v.op.name: v for v in variables}, folder)
        manager.save_best(head.steps)
        manager.save(State(head.steps, head.steps, ended=ALL_STEPS))
