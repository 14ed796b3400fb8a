"""The session loop: steps, summaries, checkpoints, resume, early stop. It knows no network.

What a step is fed and drops depends on the step alone, and a checkpoint holds the optimiser's state too, so a
run that was stopped and resumed ends as an undisturbed one does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from src.common import files, paths
from src.common.errors import UserError
from src.common.interrupts import interrupts_held
from src.common.progress import progress
from src.common.tf1 import tf
from src.training import checkpoint_files
from src.training.summaries import summary_writer

STATE = 'state.json'
LAST, BEST = 'checkpoint', 'best_checkpoint'  # which files are the newest of their kind
SECONDS_BETWEEN_CHECKPOINTS = 20
STEPS_BETWEEN_COSTS = 20
EVALUATIONS_BETWEEN_HISTOGRAMS = 5


@dataclass(frozen=True)
class Task:
    """What is trained, as tensors of the default graph, and how it is fed and judged.

    `feed` gives the feed of a step; `evaluate` gives scalars for TensorBoard by their tags, among
    them `judge`, which is to fall, or None to take the last step as the best. `weights` are what the best
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


@dataclass
class State:
    """Where a training stands; `ended` says why it is over."""

    step: int = 0
    best_step: int = 0
    best: float = math.inf
    stale: int = 0  # evaluations since the best one
    seconds: float = 0.0
    ended: str = ''


def read_state(folder: Path) -> State:
    return State(**files.read_json(folder / STATE)) if (folder / STATE).exists() else State()


def best_checkpoint(folder: Path) -> str:
    """The checkpoint to use: the best one, or the last where none was judged yet.

    Raises UserError when there is none, or when its files have gone.
    """
    kind = next((kind for kind in (BEST, LAST) if (folder / kind).exists()), None)
    if kind is None:
        raise UserError(f'there is no checkpoint in {paths.shown(folder)}: run python -m src.training.train')
    found = checkpoint_files.latest(folder, kind)
    if not found:
        raise UserError(f'{paths.shown(folder / kind)} names files that have gone: train anew with --fresh')
    return found


def restore(session: tf.Session, saver: tf.train.Saver, checkpoint: str) -> None:
    """Raises UserError when the checkpoint is damaged or of another network."""
    try:
        with checkpoint_files.readable(checkpoint) as path:
            saver.restore(session, path)
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(
            f'{paths.shown(checkpoint)} does not fit this network, or is damaged ({_first_line(error)}): '
            'train anew with --fresh'
        ) from error


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
    keeper = _Keeper(session, task, folder)
    state = keeper.resume()
    if not state.ended:
        with summary_writer(summaries, session.graph if state.step == 0 else None) as writer:
            _run(session, task, state, keeper, writer, steps, evaluate_every, patience)
    keeper.restore_best()
    return state


def _run(session, task: Task, state: State, keeper: _Keeper, writer, steps, evaluate_every, patience) -> None:
    begun = time.monotonic() - state.seconds
    evaluations, cost = 0, 0.0
    bar = progress(steps * task.each, 'training', task.unit, done=state.step * task.each)
    with interrupts_held() as let_go, bar:
        try:
            while state.step < steps and not state.ended:
                let_go()
                _, cost = session.run([task.train_op, task.cost], task.feed(state.step))
                state.step += 1
                bar.update(task.each)
                if not math.isfinite(cost):
                    _fail(keeper, state, cost)
                if state.step % STEPS_BETWEEN_COSTS == 0 or state.step == 1:
                    writer.add_summary(_scalars({'cost': cost}), state.step)
                state.seconds = time.monotonic() - begun
                if state.step % evaluate_every == 0 or state.step == steps:
                    scores = task.evaluate(session)
                    writer.add_summary(_scalars(scores), state.step)
                    if task.histograms is not None and evaluations % EVALUATIONS_BETWEEN_HISTOGRAMS == 0:
                        writer.add_summary(session.run(task.histograms), state.step)
                    evaluations += 1
                    bar.set_postfix_str(task.shown(scores), refresh=False)
                    keeper.judge(state, scores.get(task.judge))
                    if patience and state.stale >= patience:
                        state.ended = f'no better validation score in {patience} evaluations'
                keeper.save_now_and_then(state)
            state.ended = state.ended or 'all steps'
        finally:
            if math.isfinite(cost):
                keeper.save(state)


def _fail(keeper: _Keeper, state: State, cost: float) -> None:
    kept = keeper.saved_step
    raise UserError(
        f'the cost became {cost} at step {state.step}: train anew with --fresh and a lower --learning-rate'
        + (f'; the checkpoint of step {kept} is kept' if kept else '')
    )


class _Keeper:
    """Keeps the last checkpoint (with the optimiser) and the best one (weights only)."""

    def __init__(self, session: tf.Session, task: Task, folder: Path):
        self.session, self.task, self.folder = session, task, folder
        self.last = tf.train.Saver(tf.global_variables(), max_to_keep=1)
        self.best = tf.train.Saver(task.weights or tf.trainable_variables(), max_to_keep=1)
        self.saved_at = time.monotonic()
        self.saved_step = 0
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> State:
        state = read_state(self.folder)
        checkpoint = checkpoint_files.latest(self.folder, LAST)
        if not checkpoint:
            return State()
        restore(self.session, self.last, checkpoint)
        state.step = self.saved_step = int(self.session.run(self.task.step))
        return state

    def judge(self, state: State, score: float | None) -> None:
        """Note an evaluation; without a score every evaluation is the best so far."""
        if score is not None and score >= state.best:
            state.stale += 1
            return
        state.best = math.inf if score is None else float(score)
        state.best_step, state.stale = state.step, 0
        checkpoint_files.save(self.session, self.best, self.folder / 'best', state.step, BEST)

    def save_now_and_then(self, state: State) -> None:
        if time.monotonic() - self.saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            self.save(state)

    def save(self, state: State) -> None:
        # The checkpoint holds the step itself, so that it and the state can never disagree on it.
        files.write_json(self.folder / STATE, asdict(state))
        checkpoint_files.save(self.session, self.last, self.folder / 'last', state.step, LAST)
        self.saved_at, self.saved_step = time.monotonic(), state.step

    def restore_best(self) -> None:
        restore(self.session, self.best, best_checkpoint(self.folder))


def _scalars(values: dict[str, Any]) -> tf.Summary:
    return tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=float(v)) for tag, v in values.items()])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
