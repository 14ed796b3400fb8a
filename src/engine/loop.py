"""The training loop: steps, evaluations, summaries, checkpoints, resuming, early stop.

A step's feed and dropout masks depend on the step alone, and a checkpoint holds the optimizer's state too, so
a run that was stopped and resumed ends as an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import UserError
from src.common.process.interrupts import interrupts_held
from src.common.progress import progress, say
from src.common.tf1 import tf
from src.engine.board import CURVES
from src.engine.checkpoints import ALL_STEPS, CheckpointManager, State
from src.engine.summaries import Writer, summary_writer

SECONDS_BETWEEN_CHECKPOINTS = 20
STEPS_BETWEEN_COSTS = 20
EVALUATIONS_BETWEEN_HISTOGRAMS = 5


@dataclass(frozen=True)
class Task:
    """What is trained, as tensors of the default graph, and how it is fed and scored.

    `feed` gives the feed of a step; `evaluate` gives scalars for TensorBoard by tag, such as
    `validation_log_loss` and `validation_error` (1 - top-1). `monitor` is the tag of the scalar to minimize;
    None takes the last step as the best. Training ends after `steps`, or when `monitor` has not improved in
    `patience` evaluations (0: never early). `weights` are the variables in the best checkpoint, by their
    names there (default: all trainable ones). The progress bar counts `examples` `unit`s a step, and
    `shown` makes the text at its end of the scalars (default: top-1 and log loss).
    """

    train_op: tf.Operation
    step: tf.Variable
    cost: tf.Tensor
    feed: Callable[[int], dict]
    evaluate: Callable[[tf.Session], dict[str, float]]
    steps: int
    evaluate_every: int
    patience: int = 0
    monitor: str | None = None
    histograms: tf.Tensor | None = None
    weights: Mapping[str, tf.Variable] | None = None
    examples: int = 1
    unit: str = 'steps'
    scores_start: bool = False
    shown: Callable[[Mapping[str, float]], str] | None = None


def fit(session: tf.Session, task: Task, folder: Path, summaries: Path) -> State:
    """Train, or go on training, with checkpoints in `folder` and TensorBoard's files in `summaries`. Leaves
    the best weights in the session. Ctrl-C saves the last step, then ends the run.

    Raises UserError when the cost is not a finite number; the last good checkpoint stays.
    """
    manager = CheckpointManager(session, task.weights or tf.trainable_variables(), folder)
    state = manager.resume(task.evaluate_every)
    if state.ended:
        say('training has ended before; --fresh trains again')
    else:
        with summary_writer(summaries, session.graph if state.step == 0 else None) as writer:
            if state.step:  # later steps of a killed run are void
                writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), state.step + 1)
            _run(session, task, state, manager, writer)
    manager.restore_best()
    return state


def _run(session: tf.Session, task: Task, state: State, manager: CheckpointManager, writer: Writer) -> None:
    started = time.monotonic() - state.seconds
    cost = 0.0
    complete, saved_at = True, time.monotonic()  # complete: `state` belongs to the weights in the session
    bar = progress(task.steps * task.examples, 'training', task.unit, done=state.step * task.examples)
    with interrupts_held() as raise_pending, bar:
        try:
            if task.scores_start and state.step == 0 and math.isinf(state.best):
                _evaluate(session, task, state, manager, writer, bar)
            while state.step < task.steps and not state.ended:
                raise_pending()
                feed = task.feed(state.step)
                complete = False
                _, cost = session.run([task.train_op, task.cost], feed)
                state.step += 1
                bar.update(task.examples)
                if not math.isfinite(cost):
                    _fail(manager, state, cost)
                if state.step % STEPS_BETWEEN_COSTS == 0 or state.step == 1:
                    writer.add_summary(curves({'cost': cost}), state.step)
                state.seconds = time.monotonic() - started
                if state.step % task.evaluate_every == 0 or state.step == task.steps:
                    _evaluate(session, task, state, manager, writer, bar)
                complete = True
                if time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS:
                    manager.save(state)
                    saved_at = time.monotonic()
            state.ended = state.ended or ALL_STEPS
        finally:
            if complete and math.isfinite(cost):
                manager.save(state)


def _evaluate(
    session: tf.Session, task: Task, state: State, manager: CheckpointManager, writer: Writer, bar
) -> None:
    scores = task.evaluate(session)
    writer.add_summary(curves(scores), state.step)
    earlier = (state.step - 1) // task.evaluate_every  # evaluations so far, resumed runs included
    if task.histograms is not None and earlier % EVALUATIONS_BETWEEN_HISTOGRAMS == 0:
        writer.add_summary(session.run(task.histograms), state.step)
    bar.set_postfix_str((task.shown or _shown)(scores), refresh=False)
    _record(state, scores.get(task.monitor), manager)
    if task.patience and state.stale >= task.patience:
        state.ended = f'no better {in_words(task.monitor)} in {task.patience} evaluations'


def in_words(tag: str) -> str:
    """'validation log loss' of 'validation_log_loss'."""
    return tag.replace('_', ' ')


def _shown(scores: Mapping[str, float]) -> str:
    """The scores for the progress bar: of validation examples, where there are any."""
    part = 'validation' if 'validation_error' in scores else 'train'
    return f'{part} top-1 {1 - scores[f"{part}_error"]:.1%} log loss {scores[f"{part}_log_loss"]:.3f}'


def _record(state: State, score: float | None, manager: CheckpointManager) -> None:
    """Record an evaluation; without a score every evaluation is the best so far."""
    if score is not None and score >= state.best:
        state.stale += 1
        return
    state.best = math.inf if score is None else float(score)
    state.best_step, state.stale = state.step, 0
    manager.save_best(state.step)


def _fail(manager: CheckpointManager, state: State, cost: float) -> None:
    kept = manager.saved_step
    raise UserError(
        f'the cost became {cost} at step {state.step}: train anew with --fresh and a lower --learning-rate'
        + (f'; the checkpoint of step {kept} is kept' if kept else '')
    )


def curves(values: Mapping[str, float]) -> tf.Summary:
    """Scalars by tag, as points of TensorBoard's curves."""
    return tf.Summary(
        value=[tf.Summary.Value(tag=CURVES + tag, simple_value=float(v)) for tag, v in values.items()]
    )
