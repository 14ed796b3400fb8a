"""Heads trained with --solver lbfgs, as the command does it."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine import checkpoints
from src.engine.learners.head import checkpoint_layers
from src.engine.learners.linear import LinearHead
from src.engine.run_files import read_model
from src.records.dataset import load, open_records
from src.records.example import build_example, shard_name, write_shard
from src.training import train


def run(model: str, *flags: str, name: str = 'clusters') -> dict:
    train.main(['--name', name, '--model', model, '--solver', 'lbfgs', *flags])
    return files.read_json(paths.scores(model))


def weights(model: str) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(checkpoints.best_checkpoint(paths.checkpoints(model)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def records_of(name: str, counts: dict[str, int], classes: list[str], of_class=None) -> None:
    """Records of drawn bottlenecks of width 4. `of_class`: the class number of the i-th one of a split."""
    random, folder, shards = np.random.default_rng(1), paths.records(name), []
    folder.mkdir(parents=True)
    for split, number in counts.items():
        labels = [of_class(i) if of_class else i % len(classes) for i in range(number)]
        vectors = [(random.normal(0, 1, 4) + label).astype(np.float32) for label in labels]
        shards.append(shard_name(split, 0, 1))
        rows = zip(vectors, labels, strict=True)
        examples = [
            build_example(f'{split}/{i}', b'', v, classes[label], classes)
            for i, (v, label) in enumerate(rows)
        ]
        write_shard(folder / shards[-1], examples)
    trained = {classes[of_class(i) if of_class else i % len(classes)] for i in range(counts['train'])}
    untrained = [name for name in classes if name not in trained]
    backbone = {'file': 'none.pb', 'sha256': '00', 'bottleneck': 'pool_3:0', 'width': 4}
    manifest = {
        'name': name, 'classes': classes, 'backbone': backbone, 'precision': 'float32', 'counts': counts,
        'untrained': untrained, 'shards': shards, 'fingerprint': 'f', 'complete': True,
    }  # fmt: skip
    files.write_json(folder / 'manifest.json', manifest)


def test_it_learns_and_the_checkpoint_is_a_head(clusters, capsys):
    told = run('learns')
    out = capsys.readouterr().out
    assert 'training head 16-4 on 320 cached bottlenecks by L-BFGS' in out
    assert f'L2 {told["l2"]:g}' in out
    assert told['scores'].keys() == {'train', 'validation', 'test'}
    assert told['scores']['test']['top_1'] > 0.7
    checkpoint = checkpoints.best_checkpoint(paths.checkpoints('learns'))
    assert checkpoint_layers(checkpoint) == [16, 4]
    held = weights('learns')
    assert held.keys() == {'head/W1', 'head/b1', 'l2'} and held['l2'] == pytest.approx(told['l2'])
    test = load(open_records(clusters), 'test')
    top_1 = ((test.values @ held['head/W1'] + held['head/b1']).argmax(1) == test.labels).mean()
    assert top_1 == pytest.approx(told['scores']['test']['top_1'])
    assert told['calibration']['fitted_on'] == 'validation'


def test_tensorboard_gets_the_path(clusters):
    run('summed')
    tags: dict[str, list[int]] = {}
    for path in paths.summaries('summed').iterdir():
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append(event.step)
    path = {f'curves/{name}' for name in ('l2', 'validation_log_loss', 'validation_error')}
    assert path < tags.keys() and all(len(tags[tag]) > 1 for tag in path)
    assert {'curves/cost', 'curves/test_log_loss', 'curves/train_error'} < tags.keys()


def test_a_penalty_that_is_given_is_the_only_one(clusters):
    told = run('given', '--l2', '0.5')
    assert told['l2'] == 0.5 == read_model('given')['settings']['l2']
    assert np.abs(weights('given')['head/W1']).max() > 0


def test_once_more_changes_nothing_and_other_settings_are_refused(clusters, capsys):
    first = run('done')
    before = {p: p.read_bytes() for p in paths.checkpoints('done').iterdir()}
    assert run('done') == first
    assert {p: p.read_bytes() for p in paths.checkpoints('done').iterdir()} == before
    assert 'training has ended before' in capsys.readouterr().out
    with pytest.raises(UserError, match=r'another value of --solver \(lbfgs\): add --fresh'):
        train.main(['--name', clusters, '--model', 'done', '--layers', '16,4'])


def test_ctrl_c_ends_it_between_two_evaluations_and_it_begins_again(clusters, monkeypatch):
    whole = run('whole')
    evaluated = []

    def interrupted(value):
        evaluated.append(value)
        if len(evaluated) == 12:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        from src.engine.linear import path

        real = path.minimize
        patched.setattr(
            path, 'minimize', lambda *args: real(*args[:-1], lambda v: (interrupted(v), args[-1](v)))
        )
        with pytest.raises(KeyboardInterrupt):
            run('stopped')
    assert len(evaluated) == 12
    assert not list(paths.checkpoints('stopped').glob('best*'))
    again = run('stopped')
    assert again['scores'] == whole['scores'] and again['l2'] == whole['l2']


def test_all_splits_choose_the_penalty_inside_each_fold(clusters, monkeypatch, capsys):
    learned = []
    real = LinearHead.train

    def watched(head, *rest):
        learned.append((set(head.source.first('train', 1000).ids), list(head.source.parts)))
        return real(head, *rest)

    monkeypatch.setattr(LinearHead, 'train', watched)
    told = run('all', '--all-splits', '--folds', '4')
    assert 'no validation photos: L2 is chosen by cross-validation' in capsys.readouterr().out
    assert [len(ids) for ids, _ in learned] == [240] * 4 + [320]
    assert all(parts == ['train'] for _, parts in learned)  # nothing of the scored fold
    estimate = told['scores']['cross-validation']
    assert estimate['examples'] == 320 and estimate['top_1'] > 0.7 and told['l2'] > 0
    assert 0.6 < told['calibration']['temperature'] < 1.6


def test_one_unit_for_two_classes():
    records_of('pair', {'train': 40, 'validation': 10}, ['a', 'b'])
    told = run('unit', '--layers', '4,1', name='pair')
    assert weights('unit')['head/W1'].shape == (4, 1)
    assert told['scores']['validation']['top_1'] >= 0.8


def test_a_class_without_training_photos_is_told(capsys):
    records_of('gap', {'train': 40, 'validation': 9}, ['a', 'b', 'c'], lambda i: i % 2)
    told = run('gap', name='gap')
    assert 'classes without training photos cannot be predicted: c' in capsys.readouterr().out
    assert np.isfinite(told['scores']['validation']['log_loss'])
    assert all(np.isfinite(value).all() for value in weights('gap').values())


def test_three_photos_are_enough(capsys):
    records_of('tiny', {'train': 3}, ['a', 'b'])
    assert run('tiny', name='tiny')['l2'] == pytest.approx(1 / 3)
    assert 'fewer than 5 photos and no validation photos: L2 is 1 / photos' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('flags', 'words'),
    [
        (['--layers', '16,8,4'], r'L-BFGS trains heads without hidden layers \(8\): use --layers 16,4'),
        (['--layers', '16,5'], 'the bottleneck is 16 wide and there are 4 classes'),
        (['--mixup', '0.3'], '--mixup does not apply to --solver lbfgs'),
        (['--steps', '10'], '--steps does not apply to --solver lbfgs'),
    ],
)
def test_what_does_not_apply_is_refused_in_one_line(clusters, flags, words):
    with pytest.raises(UserError, match=words):
        run('refused', *flags)


def test_examples_that_do_not_fit_in_memory_are_refused(clusters, monkeypatch):
    monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', 0)
    with pytest.raises(UserError, match=r'MAX_EXAMPLE_BYTES in .* raise it, or use --solver adam'):
        run('large')
    assert not paths.checkpoints('large').exists()


def test_records_without_bottlenecks_are_refused(clusters):
    manifest = files.read_json(paths.manifest(clusters))
    files.write_json(paths.manifest('pixels'), manifest | {'name': 'pixels', 'backbone': None})
    with pytest.raises(UserError, match='holds pictures without bottlenecks'):
        run('refused', name='pixels')
