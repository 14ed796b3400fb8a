"""The session loop: steps, summaries, checkpoints, resume, early stop. It knows no network.

What a step is fed and drops depends on the step alone, and a checkpoint holds the optimiser's state too, so a
run that was stopped and resumed ends as an undisturbed one does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.errors import UserError
from src.common.interrupts import interrupts_held
from src.common.progress import progress
from src.common.tf1 import tf
from src.engine.board import CURVES
from src.engine.checkpoints import ALL_STEPS, CheckpointManager, State
from src.engine.summaries import summary_writer

SECONDS_BETWEEN_CHECKPOINTS = 20
STEPS_BETWEEN_COSTS = 20
EVALUATIONS_BETWEEN_HISTOGRAMS = 5


@dataclass(frozen=True)
class Task:
    """What is trained, as tensors of the default graph, and how it is fed and judged.

    `feed` gives the feed of a step; `evaluate` gives scalars for TensorBoard by their tags. `judge` is the
    tag of the scalar to minimize, or None to take the last step as the best. `weights` are what the best
    checkpoint holds, by the names they get there (default: all that is trained). Progress counts `each`
    `unit`s a step.
    """

    train_op: tf.Operation
    step: tf.Variable
    cost: tf.Tensor
    feed: Callable[[int], dict]
    evaluate: Callable[[tf.Session], dict[str, float]]
    judge: str | None
    histograms: tf.Tensor | None
    shown: Callable[[dict[str, float]], str]
    weights: Mapping[str, tf.Variable] | None = None
    each: int = 1
    unit: str = 'steps'


def fit(
    session: tf.Session,
    task: Task,
    folder: Path,
    summaries: Path,
    steps: int,
    evaluate_every: int,
    patience: int,
) -> State:
    """Train up to `steps`, or until `task.judge` has not fallen in `patience` evaluations (0: never
    stop early). Leaves the best weights in the session. Ctrl-C saves and passes on.

    Raises UserError when the cost is no longer a number; the last good checkpoint stays.
    """
    checkpoint_manager = CheckpointManager(session, task.weights or tf.trainable_variables(), folder)
    state = checkpoint_manager.resume(evaluate_every)
    if not state.ended:
        with summary_writer(summaries, session.graph if state.step == 0 else None) as writer:
            if state.step:  # what a killed run wrote of later steps is void
                writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), state.step + 1)
            _run(session, task, state, checkpoint_manager, writer, steps, evaluate_every, patience)
    checkpoint_manager.restore_best()
    return state


def _run(
    session,
    task: Task,
    state: State,
    checkpoint_manager: CheckpointManager,
    writer,
    steps,
    evaluate_every,
    patience,
) -> None:
    begun = time.monotonic() - state.seconds
    cost = 0.0
    settled, saved_at = True, time.monotonic()  # settled: the state is that of the weights
    bar = progress(steps * task.each, 'training', task.unit, done=state.step * task.each)
    with interrupts_held() as raise_pending, bar:
        try:
            while state.step < steps and not state.ended:
                raise_pending()
                fed = task.feed(state.step)
                settled = False
                _, cost = session.run([task.train_op, task.cost], fed)
                state.step += 1
                bar.update(task.each)
                if not math.isfinite(cost):
                    _fail(checkpoint_manager, state, cost)
                if state.step % STEPS_BETWEEN_COSTS == 0 or state.step == 1:
                    writer.add_summary(_scalars({'cost': cost}), state.step)
                state.seconds = time.monotonic() - begun
                if state.step % evaluate_every == 0 or state.step == steps:
                    scores = task.evaluate(session)
                    writer.add_summary(_scalars(scores), state.step)
                    before = (state.step - 1) // evaluate_every  # evaluations so far, in all sessions
                    if task.histograms is not None and before % EVALUATIONS_BETWEEN_HISTOGRAMS == 0:
                        writer.add_summary(session.run(task.histograms), state.step)
                    bar.set_postfix_str(task.shown(scores), refresh=False)
                    _judge(state, scores.get(task.judge), checkpoint_manager)
                    if patience and state.stale >= patience:
                        state.ended = f'no better validation score in {patience} evaluations'
                settled = True
                if time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS:
                    checkpoint_manager.save(state)
                    saved_at = time.monotonic()
            state.ended = state.ended or ALL_STEPS
        finally:
            if settled and math.isfinite(cost):
                checkpoint_manager.save(state)


def _judge(state: State, score: float | None, checkpoint_manager: CheckpointManager) -> None:
    """Note an evaluation; without a score every evaluation is the best so far."""
    if score is not None and score >= state.best:
        state.stale += 1
        return
    state.best = math.inf if score is None else float(score)
    state.best_step, state.stale = state.step, 0
    checkpoint_manager.save_best(state.step)


def _fail(checkpoint_manager: CheckpointManager, state: State, cost: float) -> None:
    kept = checkpoint_manager.saved_step
    raise UserError(
        f'the cost became {cost} at step {state.step}: train anew with --fresh and a lower --learning-rate'
        + (f'; the checkpoint of step {kept} is kept' if kept else '')
    )


def _scalars(values: dict[str, Any]) -> tf.Summary:
    return tf.Summary(
        value=[tf.Summary.Value(tag=CURVES + tag, simple_value=float(v)) for tag, v in values.items()]
    )
