"""What belongs together is written together: a run that is killed anywhere, and resumed, ends as an
undisturbed one. And checkpoints are found in the folder that they lie in."""

from __future__ import annotations

import itertools
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tensorflow.python.training import checkpoint_management

from src.analysis.runs import read_curves
from src.common import files
from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine import checkpoints, loop

# The validation log loss after each step. Best are steps 1, 2 and 4; patience 2 ends the run at step 6.
SCORES = [9.0, 7.0, 8.0, 5.0, 6.0, 5.5, 1.0, 0.5]
PATIENCE = 2


class Killed(BaseException):
    """The process is gone: nothing it does from now on reaches the disk."""


class Power:
    """Lets `left` changes of the disk happen, then none."""

    def __init__(self, left: float):
        self.left = left

    def cut(self, change):
        """`change`, a function that changes the disk, with a moment before it to die in."""

        def changed(path, *args, **kwargs):
            if not _is_scratch(path):
                self.left -= 1
                if self.left < 0:
                    raise Killed
            return change(path, *args, **kwargs)

        return changed


def _is_scratch(path) -> bool:
    """Whether this is the removal of a file that does not count, or is not there."""
    return isinstance(path, Path) and not path.name.endswith('.tmp') and not path.exists()


def train(folder: Path, summaries: Path) -> checkpoints.State:
    """A run of one weight, which learns the number of its steps."""
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.get_or_create_global_step()
        weight = tf.get_variable('weight', [], initializer=tf.zeros_initializer())
        with tf.control_dependencies([weight.assign_add(1.0)]):
            train_op = step.assign_add(1)
        task = loop.Task(
            train_op=train_op.op,
            step=step,
            cost=tf.constant(1.0),
            feed=lambda step: {},
            evaluate=lambda session: {
                'validation_log_loss': SCORES[int(session.run(step)) - 1],
                'validation_error': 0.5,
            },
            steps=len(SCORES),
            evaluate_every=1,
            patience=PATIENCE,
            monitor='validation_log_loss',
        )
        session.run(tf.global_variables_initializer())
        state = loop.fit(session, task, folder, summaries)
        assert session.run(weight) == state.best_step  # the best weights are left in the session
    return state


def outcome(folder: Path, state: checkpoints.State) -> dict:
    """All of a run that is to be repeated, but for the seconds it took."""
    best = checkpoints.best_checkpoint(folder)
    return asdict(state) | {
        'seconds': 0,
        'best_name': Path(best).name,
        'weight': float(tf.train.load_checkpoint(best).get_tensor('weight')),
        'files': sorted(path.name for path in folder.iterdir() if not path.name.endswith('.tmp')),
    }


@pytest.fixture
def undisturbed(tmp_path):
    folder = tmp_path / 'undisturbed'
    told = outcome(folder, train(folder, tmp_path / 'summaries_undisturbed'))
    assert (told['step'], told['best_step'], told['weight']) == (6, 4, 4.0)
    return told


@pytest.mark.parametrize('seconds', [0, 1000], ids=['saved at each step', 'saved at the end'])
def test_a_run_that_is_killed_anywhere_ends_as_an_undisturbed_one(
    tmp_path, monkeypatch, undisturbed, seconds
):
    monkeypatch.setattr(loop, 'SECONDS_BETWEEN_CHECKPOINTS', seconds)
    for place in itertools.count():
        folder, summaries = tmp_path / f'killed_{place}', tmp_path / f'summaries_{place}'
        with monkeypatch.context() as patched:
            power = Power(place)
            for owner, name in (
                (Path, 'replace'),
                (Path, 'unlink'),
                (tf.train.Saver, 'save'),
                (checkpoint_management, 'update_checkpoint_state_internal'),
            ):
                patched.setattr(owner, name, power.cut(getattr(owner, name)))
            try:
                train(folder, summaries)
            except Killed:
                # A real run takes longer to begin than the second by which event files are named.
                for path in summaries.glob('events*'):
                    path.rename(summaries / 'events.out.tfevents.0000000001.killed')
            else:
                break  # there are no more places to be killed at
        before = checkpoints.read_state(folder)
        state = train(folder, summaries)
        assert outcome(folder, state) == undisturbed, place
        curve = read_curves(summaries)['validation_log_loss']
        np.testing.assert_allclose(curve.values, SCORES[:6], err_msg=str(place))
        assert before.step <= state.step and before.best_step <= before.step
    assert place >= (40 if seconds == 0 else 10)


def test_what_is_frozen_of_a_killed_run_is_its_best_so_far(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, 'SECONDS_BETWEEN_CHECKPOINTS', 1000)
    folder = tmp_path / 'run'
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        train_until(patched, folder, tmp_path / 'summaries', 6)
    best = checkpoints.best_checkpoint(folder)
    assert Path(best).name == 'best-4'
    assert tf.train.load_checkpoint(best).get_tensor('weight') == 4


def train_until(patched, folder: Path, summaries: Path, step: int) -> None:
    """Train, and fail before `step`."""
    judged = loop._record

    def judge(state, score, checkpoint_manager):
        if state.step == step:
            raise ZeroDivisionError
        judged(state, score, checkpoint_manager)

    patched.setattr(loop, '_record', judge)
    train(folder, summaries)


def test_an_error_in_an_evaluation_leaves_the_pair_before_it(tmp_path, monkeypatch, undisturbed):
    """A checkpoint of step 6 whose evaluation is not in its state would skip that evaluation when resumed."""
    monkeypatch.setattr(loop, 'SECONDS_BETWEEN_CHECKPOINTS', 0)
    folder, summaries = tmp_path / 'run', tmp_path / 'summaries'
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        train_until(patched, folder, summaries, 6)
    assert checkpoints.read_state(folder).step == 5
    assert outcome(folder, train(folder, summaries)) == undisturbed


def written_by_an_earlier_version(folder: Path, elsewhere: Path, state: dict) -> None:
    """Make a run's folder look as if an earlier version had written it in the folder `elsewhere`."""
    for kind in (checkpoints.LAST, checkpoints.BEST):
        name = Path(checkpoints.newest(folder, kind)).name
        lines = (
            f'model_checkpoint_path: "{elsewhere / name}"\nall_model_checkpoint_paths: "{elsewhere / name}"\n'
        )
        (folder / kind).write_text(lines)
    for pair in folder.glob('last-*.json'):
        pair.unlink()
    files.write_json(folder / 'state.json', state)


def stopped_at(monkeypatch, folder: Path, step: int) -> dict:
    """Train up to the end of a step, then stop. Returns the state."""
    monkeypatch.setattr(loop, 'SECONDS_BETWEEN_CHECKPOINTS', 0)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        train_until(patched, folder, folder.with_name(folder.name + '_summaries'), step + 1)
    return asdict(checkpoints.read_state(folder))


@pytest.mark.parametrize('elsewhere', ['/of/long/ago', 'C:\\of\\long ago', None])
def test_absolute_names_of_earlier_versions_mean_the_folder_itself(
    tmp_path, monkeypatch, undisturbed, elsewhere
):
    """`elsewhere` None: the original is still there, with other weights under the same names."""
    original = tmp_path / 'original'
    state = stopped_at(monkeypatch, original, 5)
    folder = Path(shutil.copytree(original, tmp_path / 'copied'))
    written_by_an_earlier_version(folder, Path(elsewhere or original), state)
    if not elsewhere:
        for path in original.glob('*.data*'):
            path.write_bytes(b'not these')
    assert checkpoints.read_state(folder) == checkpoints.State(**state)
    assert outcome(folder, train(folder, tmp_path / 'summaries')) == undisturbed
    assert str(tmp_path) not in (folder / checkpoints.LAST).read_text()


@pytest.mark.parametrize(('ahead', 'ended'), [(8, 'no better validation score in 2 evaluations'), (6, '')])
def test_a_state_ahead_of_its_checkpoint_is_set_back(tmp_path, monkeypatch, undisturbed, ahead, ended):
    """Earlier versions wrote state.json first: killed before the checkpoint, the run would end too early."""
    folder = tmp_path / 'run'
    state = stopped_at(monkeypatch, folder, 5)
    spoilt = state | {'step': ahead, 'ended': ended, 'stale': 2}
    written_by_an_earlier_version(folder, folder, spoilt)
    state = train(folder, tmp_path / 'summaries')
    assert (state.step, state.best_step) == (undisturbed['step'], undisturbed['best_step'])


@pytest.mark.parametrize('kind', [checkpoints.LAST, checkpoints.BEST])
def test_missing_files_are_reported_not_replaced(tmp_path, monkeypatch, kind):
    folder = tmp_path / 'run'
    stopped_at(monkeypatch, folder, 5)
    for path in folder.glob(f'{checkpoints.PREFIXES[kind]}-*'):
        path.unlink()
    with pytest.raises(UserError, match=f'{kind} names files that are missing: train anew with --fresh'):
        train(folder, tmp_path / 'summaries')


# TensorFlow takes such names for patterns.
ODD = 'my [project]' if os.name == 'nt' else 'my [project]*? {x}'


@pytest.mark.parametrize('name', ['plain', ODD])
def test_checkpoints_work_in_folders_of_any_name(tmp_path, name):
    folder = tmp_path / name / 'checkpoints'
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable('x', [], tf.float32)
        value = tf.placeholder(tf.float32, [])
        assign = variable.assign(value)
        folder.parent.mkdir()
        checkpoint_manager = checkpoints.CheckpointManager(session, [variable], folder)
        for step in (1, 2, 3):
            session.run(assign, {value: 10 * step})
            checkpoint_manager.save_best(step)
            session.run(assign, {value: 10 * step + 1})
            checkpoint_manager.save(checkpoints.State(step, best_step=step))
        assert {file.name.partition('.')[0] for file in folder.glob('*-*')} == {'best-3', 'last-3'}
        for kind, expected in ((checkpoints.BEST, 30), (checkpoints.LAST, 31)):
            found = checkpoints.newest(folder, kind)
            checkpoints.restore(session, tf.train.Saver(), found)
            assert session.run(variable) == expected
            with checkpoints.readable(found) as path:
                assert tf.train.load_checkpoint(path).get_variable_to_shape_map() == {'x': []}
