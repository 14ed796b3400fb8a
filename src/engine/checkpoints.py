"""The checkpoints of a run, each with the training state that belongs to it.

A folder checkpoints/<model> holds

- `last-N`: all variables after step N, to resume from, and `last-N.json`: the `State` after that step.
  `checkpoint` names the newest pair. It is replaced atomically after both are on the disk, so a killed run
  resumes from the pair before;
- `best-N`: the weights of the best evaluation so far, named by `best_checkpoint`. The one that the newest
  state refers to is kept until a newer state refers to another;
- `best-N.calibration.json`: the `Calibration` of these weights, once the run has ended.

Names are relative, so the folder may be moved or copied. Folders of earlier versions hold absolute names
(only the last part is used) and one `state.json` for the newest checkpoint.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from src.common import files, paths, shapes
from src.common.errors import UserError, first_line
from src.common.shapes import Count
from src.common.tf1 import tf
from src.scoring.calibrated import UNCALIBRATED, Calibration, calibration_from

LAST, BEST = 'checkpoint', paths.BEST  # the files that name the newest of their kind
PREFIXES = {LAST: 'last', BEST: 'best'}
CALIBRATION = '.calibration.json'  # ends the name of the file with a checkpoint's calibration
REMEDY = 'train anew with --fresh'
ALL_STEPS = 'all steps'  # `State.ended` of a run that was not stopped early
STATE_OF_EARLIER_VERSIONS = 'state.json'
# TensorFlow treats the path of a checkpoint to restore as a glob pattern (Env::GetMatchingPaths).
PATTERN = set('[]*?' if os.name == 'nt' else '[]*?\\')


@dataclass
class State:
    """The state of a training; `ended` is the reason why it is over, `best` the lowest monitored score."""

    step: Count = 0
    best_step: Count = 0
    best: float = math.inf
    stale: Count = 0  # evaluations since the best one
    seconds: float = 0.0
    ended: str = ''


def newest(folder: Path, kind: str) -> str | None:
    """The checkpoint that the file `kind` (LAST or BEST) names, or None.

    It is looked for in `folder`, whatever folder the file names: a copied project never reads the weights of
    the original.
    """
    if not (folder / kind).exists():
        return None
    with contextlib.suppress(UnicodeDecodeError):  # other damage gives None already
        if named := tf.train.get_checkpoint_state(str(folder), kind):
            checkpoint = folder / re.split(r'[\\/]', named.model_checkpoint_path)[-1]
            return str(checkpoint) if _index(checkpoint).exists() else None
    return None


def best_checkpoint(folder: Path) -> str:
    """The checkpoint to use: the best one, or the last where nothing was evaluated yet.

    Raises UserError when there is none, or when its files are missing.
    """
    kind = next((kind for kind in (BEST, LAST) if (folder / kind).exists()), None)
    if kind is None:
        raise UserError(f'there is no checkpoint in {paths.shown(folder)}: train {folder.name} first')
    return _present(folder, kind)


def _present(folder: Path, kind: str) -> str:
    found = newest(folder, kind)
    if not found:
        raise UserError(f'{paths.shown(folder / kind)} names files that are missing: train anew with --fresh')
    return found


def step_of(checkpoint: str) -> int:
    """The step that a checkpoint's name ends with."""
    return int(checkpoint.rpartition('-')[2])


def write_calibration(checkpoint: str, calibration: Calibration) -> None:
    """Store the calibration of the weights in a checkpoint beside them."""
    files.write_json(Path(f'{checkpoint}{CALIBRATION}'), calibration.facts)


def calibration_of(checkpoint: str) -> Calibration:
    """The calibration of the weights in a checkpoint; UNCALIBRATED where none is stored, as for models of
    earlier versions. Raises UserError when the file is damaged."""
    path = Path(f'{checkpoint}{CALIBRATION}')
    return calibration_from(files.read_json(path, Calibration, REMEDY)) if path.exists() else UNCALIBRATED


def restore(session: tf.Session, saver: tf.train.Saver, checkpoint: str) -> None:
    """Raises UserError when the checkpoint is damaged or of another network."""
    try:
        with readable(checkpoint) as path:
            saver.restore(session, path)
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(
            f'{paths.shown(checkpoint)} does not fit this network, or is damaged ({first_line(error)}): '
            'train anew with --fresh'
        ) from error


@contextlib.contextmanager
def readable(checkpoint: str) -> Iterator[str]:
    """A path that TensorFlow can restore from: the checkpoint, or a copy for as long as the body runs."""
    if not PATTERN & set(checkpoint):
        yield checkpoint
        return
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(checkpoint)
        for file in source.parent.iterdir():
            if file.name.startswith(f'{source.name}.'):
                shutil.copy(file, Path(scratch, file.name))
        yield str(Path(scratch, source.name))


def read_state(folder: Path, evaluate_every: int = 1) -> State:
    """The state of the newest checkpoint to resume from; a new one where there is none.

    `evaluate_every`: steps between two evaluations, needed for folders of earlier versions only.
    Raises UserError when its file is damaged.
    """
    checkpoint = newest(folder, LAST)
    if checkpoint is None:
        return State()
    pair = Path(checkpoint + '.json')
    if pair.exists():
        return _state_in(pair)
    old = folder / STATE_OF_EARLIER_VERSIONS
    state = _state_in(old) if old.exists() else State()
    return _set_back(state, step_of(checkpoint), evaluate_every)


def _state_in(path: Path) -> State:
    return State(**shapes.known(State, files.read_json(path, State, REMEDY)))


def _set_back(state: State, step: int, evaluate_every: int) -> State:
    """`state`, or what is known of it at `step` when it belongs to a later step: earlier versions could be
    killed between writing the state and its checkpoint."""
    if state.step == step:
        return state
    seconds = state.seconds * step / max(state.step, 1)
    if state.best_step > step:
        return State(step, seconds=seconds)
    stale = step // evaluate_every - state.best_step // evaluate_every
    return State(step, state.best_step, state.best, stale, seconds)


class CheckpointManager:
    """Saves the last checkpoint (all variables) with its state, and the best one (`weights` only)."""

    def __init__(self, session: tf.Session, weights: Mapping[str, tf.Variable] | list, folder: Path):
        self.session, self.folder = session, folder
        # The savers delete nothing: `_prune` knows what the newest state refers to.
        options = {'max_to_keep': 0, 'save_relative_paths': True}
        self._savers = {
            LAST: tf.train.Saver(tf.global_variables(), **options),
            BEST: tf.train.Saver(weights, **options),
        }
        self._saved = State()  # the newest state on the disk
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def saved_step(self) -> int:
        """The step of the newest checkpoint to resume from, 0 where there is none."""
        return self._saved.step

    def resume(self, evaluate_every: int) -> State:
        """Restore the last checkpoint and return its state; a new state where there is none.

        Raises UserError when its files are missing or damaged.
        """
        if not (self.folder / LAST).exists():
            return State()
        restore(self.session, self._savers[LAST], _present(self.folder, LAST))
        state = read_state(self.folder, evaluate_every)
        self._saved = State(**asdict(state))
        # An evaluation after this state may have left a later best checkpoint, which will be made again.
        best = self.folder / f'best-{state.best_step}'
        if newest(self.folder, BEST) != str(best) and _index(best).exists():
            with files.atomic(self.folder / BEST) as stream:
                stream.write(f'model_checkpoint_path: "{best.name}"\n')
        self._tidy(state)
        return state

    def save_best(self, step: int) -> None:
        """Save the weights of `step` as the best so far."""
        self._write(BEST, step)
        self._prune(BEST, {step, self._saved.best_step})

    def save(self, state: State) -> None:
        """Save all variables and the state that belongs to them."""
        files.write_json(self.folder / f'last-{state.step}.json', asdict(state))
        if newest(self.folder, LAST) != str(self.folder / f'last-{state.step}'):
            self._write(LAST, state.step)
        self._saved = State(**asdict(state))
        self._tidy(state)

    def restore_best(self) -> None:
        restore(self.session, self._savers[BEST], best_checkpoint(self.folder))

    def _write(self, kind: str, step: int) -> None:
        path = str(self.folder / PREFIXES[kind])
        self._savers[kind].save(self.session, path, step, kind, write_meta_graph=False)

    def _tidy(self, state: State) -> None:
        """Delete what the newest state no longer refers to."""
        self._prune(LAST, {state.step})
        self._prune(BEST, {state.best_step})
        if (self.folder / f'last-{state.step}.json').exists():
            (self.folder / STATE_OF_EARLIER_VERSIONS).unlink(missing_ok=True)

    def _prune(self, kind: str, kept: set[int]) -> None:
        """Delete the checkpoints of a kind, except those of the steps `kept` and the one that its file
        names."""
        named = newest(self.folder, kind)
        kept = kept | ({step_of(named)} if named else set())
        for path in self.folder.glob(f'{PREFIXES[kind]}-*'):
            step = re.fullmatch(rf'{PREFIXES[kind]}-(\d+)\..*', path.name)
            if step and int(step[1]) not in kept:
                with contextlib.suppress(OSError):  # on Windows another process may be reading it
                    path.unlink()


def _index(checkpoint: Path) -> Path:
    return checkpoint.with_name(checkpoint.name + '.index')
