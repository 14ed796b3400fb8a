"""Training as the command does it, on bottlenecks that need no photos."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine import checkpoints, loop
from src.engine.run_files import read_model
from src.recipes.recipe import HeadRecipe
from src.records.dataset import open_records
from src.training import train

# Steps enough to be stopped in the middle of, and as many evaluations.
ARGS = ['--layers', '16,8,4', '--learning-rate', '0.01', '--dropout', '0.3', '--patience', '0']


def run(model: str, *flags: str, steps: int = 300) -> dict:
    train.main(['--name', 'clusters', '--model', model, *ARGS, '--steps', str(steps), *flags])
    return files.read_json(paths.scores(model))


def weights(model: str) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(checkpoints.best_checkpoint(paths.checkpoints(model)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_it_learns_and_tells_the_scores_of_each_split(clusters, capsys):
    told = run('learns')
    assert told['scores'].keys() == {'train', 'validation', 'test'}
    assert told['scores']['test']['top_1'] > 0.7  # even odds: 0.25
    assert told['steps'] == 300
    out = capsys.readouterr().out
    assert 'training head 16-8-4 on 320 cached bottlenecks' in out
    assert f'{told["scores"]["test"]["top_1"]:.1%}' in out


def test_records_too_many_for_memory_teach_as_much(clusters, monkeypatch, capsys):
    held = run('held')['scores']
    assert 'read from the records' not in capsys.readouterr().out
    monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', 0)
    streamed = run('streamed')['scores']
    assert 'read from the records' in capsys.readouterr().out
    for split, scores in held.items():
        assert streamed[split]['examples'] == scores['examples']
        assert streamed[split]['top_1'] == pytest.approx(scores['top_1'], abs=0.08)
        assert streamed[split]['log_loss'] == pytest.approx(scores['log_loss'], abs=0.15)


def test_summaries_hold_cost_errors_and_histograms(clusters):
    run('summed')
    tags: dict[str, set[int]] = {}
    for path in paths.summaries('summed').iterdir():
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                tags.setdefault(value.tag, set()).add(event.step)
    scalars = {
        'cost',
        'train_error',
        'train_log_loss',
        'validation_error',
        'validation_log_loss',
        'test_error',
        'test_log_loss',
    }
    histograms = {f'weights/{name}' for name in ('W1', 'b1', 'W2', 'b2')}
    final = {
        f'final/{part}_{score}' for part in ('train', 'validation', 'test') for score in ('top_1', 'log_loss')
    }
    hparams = {tag for tag in tags if tag.startswith('_hparams_/')}
    assert len(hparams) == 3  # for comparing runs
    assert {f'curves/{name}' for name in scalars} | histograms | final == tags.keys() - hparams
    assert min(tags.keys() - hparams).startswith('curves/')  # what TensorBoard shows first
    assert 300 in tags['curves/test_error']


@pytest.mark.parametrize('where', ['memory', 'records'])
def test_a_run_that_was_stopped_ends_as_an_undisturbed_one(clusters, monkeypatch, where):
    if where == 'records':
        monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', 0)
    undisturbed = run('undisturbed', '--fresh', steps=150)
    stopping_at = iter((35, 36, 105))
    stop = [next(stopping_at)]
    feed = train.Head.task

    def interrupted(head):
        task = feed(head)

        def rows(step):
            if step == stop[0]:
                stop[0] = next(stopping_at, None)
                raise KeyboardInterrupt
            return task.feed(step)

        return loop.Task(**{**vars(task), 'feed': rows})

    monkeypatch.setattr(train.Head, 'task', interrupted)
    for turn in range(3):
        with pytest.raises(KeyboardInterrupt):
            run('stopped', *(['--fresh'] if turn == 0 else []), steps=150)
    stopped = run('stopped', steps=150)
    assert stopped['scores'] == undisturbed['scores']
    assert stopped['best_step'] == undisturbed['best_step']
    wanted, got = weights('undisturbed'), weights('stopped')
    for name in wanted:
        np.testing.assert_array_equal(got[name], wanted[name])


@pytest.mark.posix
def test_ctrl_c_keeps_what_was_learned(clusters):
    """A real process, a real signal."""
    command = [sys.executable, '-m', 'src.training.train', '--name', clusters, '--model', 'signalled', *ARGS]
    command += ['--steps', '1000000']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    folder = paths.checkpoints('signalled')
    while process.poll() is None and not list(folder.glob('best-*.index')):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaints.strip().splitlines()[-1].startswith('stopped; finished work is kept')
    assert 'Traceback' not in complaints
    state = checkpoints.read_state(folder)
    assert 0 < state.step < 1_000_000
    assert tf.train.latest_checkpoint(str(folder)).endswith(f'last-{state.step}')


def test_ctrl_c_lets_what_is_at_work_end(clusters, monkeypatch):
    """TensorFlow's native code may crash when an exception reaches it from a signal's handler."""
    begun = train.Head.evaluate
    finished = []

    def evaluate(head, session):
        signal.raise_signal(signal.SIGINT)
        scores = begun(head, session)
        finished.append(session.run(head.step))
        return scores

    monkeypatch.setattr(train.Head, 'evaluate', evaluate)
    with pytest.raises(KeyboardInterrupt):
        run('let_end')
    folder = paths.checkpoints('let_end')
    assert finished == [checkpoints.read_state(folder).step]
    assert checkpoints.best_checkpoint(folder).endswith(f'best-{finished[0]}')


def test_once_more_when_all_is_done_changes_nothing(clusters):
    first = run('done')
    before = {p: p.read_bytes() for p in paths.checkpoints('done').iterdir()}
    assert run('done') == first
    assert {p: p.read_bytes() for p in paths.checkpoints('done').iterdir()} == before


def test_it_stops_early_and_keeps_the_best(clusters, capsys):
    told = run('early', '--patience', '3', '--learning-rate', '0.05', steps=5000)
    assert told['steps'] < 5000
    assert told['best_step'] < told['steps']
    assert 'no better validation log loss in' in told['ended']
    assert f'kept step {told["best_step"]:,} (best validation log loss)' in capsys.readouterr().out


def test_a_cost_that_is_no_number_is_told_and_the_last_checkpoint_kept(clusters, monkeypatch):
    monkeypatch.setattr(loop, 'SECONDS_BETWEEN_CHECKPOINTS', 0)
    with pytest.raises(UserError, match=r'--fresh and a lower --learning-rate; the checkpoint of step \d+'):
        train.main(
            [
                '--name',
                clusters,
                '--model',
                'burnt',
                '--layers',
                f'16,{"64," * 20}4',
                '--learning-rate',
                '9.9',
            ]
        )
    assert all(np.isfinite(value).all() for value in weights('burnt').values())


def test_another_seed_gives_another_head(clusters):
    run('one')
    run('two', '--seed', '2')
    assert (weights('one')['head/W1'] != weights('two')['head/W1']).any()


@pytest.mark.parametrize('most', [consts.MAX_EXAMPLE_BYTES, 0])
def test_all_splits_trains_on_everything_and_claims_no_test_score(clusters, monkeypatch, most):
    monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', most)
    told = run('all', '--all-splits', '--folds', '0', '--fresh')
    assert told['scores'].keys() == {'train'}
    assert told['scores']['train']['examples'] == 320


@pytest.mark.parametrize(
    ('flags', 'words'),
    [
        (['--layers', '17,8,4'], 'use --layers 16,8,4'),
        (['--layers', '16,8,5'], 'use --layers 16,8,4'),
    ],
)
def test_layers_that_do_not_fit_are_refused(clusters, flags, words):
    with pytest.raises(UserError, match=words):
        train.main(['--name', clusters, *flags])


@pytest.mark.parametrize(
    'flags',
    [
        ['--layers', '16'],
        ['--layers', 'wide'],
        ['--steps', '0'],
        ['--learning-rate', 'nan'],
        ['--dropout', '1'],
        ['--batch-size', '-3'],
        ['--batch-size', '1000001'],
        ['--steps', '9' * 23],
        ['--layers', f'16,{"9" * 23},4'],
        ['--name', '../etc'],
    ],
)
def test_a_mistyped_flag_is_told_in_one_line(clusters, flags, capsys):
    with pytest.raises(SystemExit) as ended:
        train.main(flags)
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_layers_left_to_default_follow_the_data(clusters):
    train.main(['--name', clusters, '--model', 'follows', '--steps', '5'])
    layers = read_model('follows')['settings']['layers']
    assert layers == [16, *consts.HEAD_MODEL_LAYERS[1:-1], 4]


def test_without_records_the_way_to_them_is_told():
    with pytest.raises(UserError, match='image_folder_to_tfrecords DIR --name nowhere'):
        train.main(['--name', 'nowhere'])


def test_a_damaged_checkpoint_is_told(clusters):
    run('spoilt', steps=20)
    for path in paths.checkpoints('spoilt').glob('*.data*'):
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match='--fresh'):
        run('spoilt', steps=20)
    assert run('spoilt', '--fresh', steps=20)['steps'] == 20


def test_a_run_with_other_flags_is_refused_with_what_differs(clusters, capsys):
    run('kept', steps=20)
    assert 'ran all 20 steps in' in capsys.readouterr().out
    with pytest.raises(UserError, match=r'trained without --all-splits: add --fresh'):
        run('kept', '--all-splits', steps=20)
    with pytest.raises(UserError, match=r'trained with another value of --steps \(20\): add --fresh'):
        run('kept', steps=21)


def test_a_best_checkpoint_that_has_gone_is_told_not_replaced(clusters):
    run('gone', steps=20)
    for path in paths.checkpoints('gone').glob('best-*'):
        path.unlink()
    with pytest.raises(UserError, match='best_checkpoint names files that are missing'):
        checkpoints.best_checkpoint(paths.checkpoints('gone'))


def test_a_damaged_description_is_told(clusters):
    run('scribbled', steps=20)
    (paths.checkpoints('scribbled') / 'model.json').write_text('{')
    with pytest.raises(UserError, match='not valid JSON'):
        run('scribbled', steps=20)


def test_scores_are_json_anybody_can_read(clusters):
    run('read', steps=20)
    told = json.loads(paths.scores('read').read_text())
    assert {'settings', 'backbone', 'classes', 'counts', 'scores', 'seconds'} <= told.keys()


def test_without_validation_photos_a_head_for_few_classes_trains_for_fewer_steps(clusters):
    records = open_records(clusters)  # of four classes
    steps = {
        (given, all_splits): train.Head.settled(HeadRecipe(steps=given, all_splits=all_splits), records).steps
        for given in (None, 30)
        for all_splits in (False, True)
    }
    assert steps == {
        (None, False): consts.STEPS,
        (None, True): 4 * consts.STEPS_OF_A_CLASS,
        (30, False): 30,
        (30, True): 30,
    }
