"""Fine-tuning as the command does it, from photos to a frozen file."""

from __future__ import annotations

import errno
import os
import shlex

import numpy as np
import pytest

from benchmarks.fine_tuning import measured
from src.analysis import training_perf_analysis
from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords
from src.engine import checkpoints, loop, sources
from src.engine.learners import tail
from src.engine.learners.tail import Tail
from src.engine.run_files import read_model
from src.engine.sources import open_source
from src.freezing import freeze, proof
from src.graph.graph_io import nodes_by_name, read_graph
from src.inference.predictor import load_model
from src.recipes.find import find_recipe
from src.recipes.recipe import FineTuneRecipe, HeadRecipe
from src.records.dataset import Records, load, open_records, pictures
from src.records.next_commands import to_train
from src.training import fine_tune, train
from tests.graph.residual import SIDE, WIDTH, loaded, with_residual_block
from tests.pictures import encoded, photo

THAWED = ['block/b', 'last']
CONSTANTS = {'block/shared/kernel', 'block/b/bias', 'last/kernel', 'last/bias'}
FLAGS = ['--name', 'small', '--thaw', *THAWED, '--batch-size', '8', '--epochs', '4', '--patience', '0']


def write_photos(folder, number, side):
    for place, name in enumerate(['dark', 'light']):
        (folder / name).mkdir(parents=True)
        for n in range(number):
            noise = np.random.default_rng([place, n]).normal(0, 40, (side, side, 3))
            picture = photo(side, side, seed=n) / 2 + 25 * place + noise
            data = encoded(np.clip(picture, 0, 255).astype(np.uint8), 'PNG')
            (folder / name / f'{n}.png').write_bytes(data)
    return folder


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """The backbone of the model `small`, whose head was trained for a short time."""
    folder = tmp_path_factory.mktemp('small')
    path = with_residual_block(folder / 'residual.pb')
    photos = write_photos(folder / 'photos', 60, SIDE)
    size = pytest.MonkeyPatch()
    size.setattr(consts, 'SHARD_SIZE', 30)
    image_folder_to_tfrecords.main(
        [
            str(photos),
            '--name',
            'small',
            '--backbone',
            str(path),
            '--pixel-range=0,255',
            '--precision',
            'float32',
        ]
    )
    size.undo()
    train.main(['--name', 'small', '--layers', f'{WIDTH},2', '--steps', '30', '--learning-rate', '0.02'])
    return path


def run(model, *flags):
    fine_tune.main([*FLAGS, '--model', model, *flags])
    return files.read_json(paths.scores(model))


def weights(model):
    reader = tf.train.load_checkpoint(checkpoints.best_checkpoint(paths.checkpoints(model)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize('flags', [[], ['--no-cache'], ['--averaging', '0.9', '--label-smoothing', '0.1']])
def test_a_tuned_model_is_better_frozen_and_proved(small, flags, capsys):
    before = files.read_json(paths.scores('small'))['scores']
    after = run('tuned', '--fresh', '--learning-rate', '0.003', *flags)
    assert after['scores']['validation']['log_loss'] < before['validation']['log_loss']
    assert after['best_step'] > 0
    assert 'weights thawed' in capsys.readouterr().out
    assert set(read_model('tuned')['thawed']) == CONSTANTS
    path, difference, number = freeze.freeze_model('tuned')
    assert difference < proof.TOLERANCE and number > 0
    assert set(load_model(path).info['backbone']['thawed']) == CONSTANTS


def test_only_the_chosen_weights_change(small):
    run('changed', '--fresh', '--learning-rate', '0.003')
    path, _, _ = freeze.freeze_model('changed')
    frozen, original = nodes_by_name(read_graph(path)), nodes_by_name(loaded(small).graph_def)
    for name in ('first/kernel', 'first/bias', 'block/a/bias'):
        assert frozen[name].attr['value'] == original[name].attr['value']
    trained = weights('changed')
    assert {name.split('/', 1)[1].rpartition('/')[0] for name in trained if 'thawed/' in name} == CONSTANTS
    for name in CONSTANTS:
        value = tf.make_ndarray(original[name].attr['value'].tensor).astype(np.float32)
        (new,) = (v for key, v in trained.items() if key.startswith(f'thawed/{name}/'))
        assert new.shape == value.shape
        assert np.abs(new - value).max() > 1e-4


def gradients(recipe):
    """Cost of the first batch, and its gradients by variable."""
    records = open_records('small')
    recipe = Tail.settled(recipe, records)
    examples, field = Tail.examples(recipe, records), Tail.field(recipe, records)
    source = open_source(examples, recipe.learned_splits, field, recipe.batch_size, recipe.seed)
    with tf.Graph().as_default(), tf.Session() as session:
        learner = Tail(recipe, source, 2)
        learner.initialize(session)
        wanted = tf.gradients(learner.cost, learner.variables)
        cost, *values = session.run([learner.cost, *wanted], learner.feed(0))
        return cost, {v.op.name: value for v, value in zip(learner.variables, values, strict=True)}


def test_a_step_with_the_cache_is_a_step_of_the_whole_network(small):
    plain = {'variants': 1, 'shift': 0.0, 'flip': False, 'dropout': 0.0, 'batch_size': 16}
    cost, found = gradients(FineTuneRecipe('small', thaw=THAWED, **plain))
    whole_cost, wanted = gradients(FineTuneRecipe('small', thaw=THAWED, cache=False, **plain))
    assert cost == pytest.approx(whole_cost, rel=1e-3)
    for name, value in wanted.items():
        # float16 moves some values across the kink of a ReLU.
        np.testing.assert_allclose(found[name], value, atol=1e-2 * np.abs(value).max(), err_msg=name)


@pytest.mark.parametrize('flags', [[], ['--no-cache', '--averaging', '0.9']])
def test_a_run_that_was_stopped_ends_as_an_uninterrupted_one(small, monkeypatch, flags):
    whole = run('whole', '--fresh', *flags)
    task, stops = Tail.task, [7, 30]

    def interrupted(learner):
        made = task(learner)

        def feed(step):
            if stops and step == stops[0]:
                stops.pop(0)
                raise KeyboardInterrupt
            return made.feed(step)

        return loop.Task(**{**vars(made), 'feed': feed})

    monkeypatch.setattr(Tail, 'task', interrupted)
    for fresh in (['--fresh'], []):
        with pytest.raises(KeyboardInterrupt):
            run('stopped', *fresh, *flags)
    stopped = run('stopped', *flags)
    assert not stops
    assert stopped['scores'] == whole['scores']
    for name, value in weights('whole').items():
        np.testing.assert_array_equal(weights('stopped')[name], value)


def test_where_no_step_is_better_the_model_stays_as_it_was(small, capsys):
    told = run('spoilt', '--fresh', '--learning-rate', '5', '--patience', '2')
    assert told['best_step'] == 0 and told['ended'].startswith('no better validation log loss')
    out = capsys.readouterr().out
    assert 'the model kept is small, unchanged' in out
    assert out.splitlines()[-1] == 'next: python -m src.freezing.freeze --name small'
    kept, head = weights('spoilt'), weights('small')
    assert {name for name in kept if name.startswith('head/')} == head.keys()
    for name, value in head.items():
        np.testing.assert_array_equal(kept[name], value)
    tuned, frozen = (load_model(freeze.freeze_model(model)[0]) for model in ('spoilt', 'small'))
    photos = [data for _, data in pictures(open_records('small'), 'train')]
    got, wanted = (np.stack(list(model.from_pictures(photos))) for model in (tuned, frozen))
    # The temperature is fitted anew, on activations in float16.
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    capsys.readouterr()
    run('spoilt', '--learning-rate', '5', '--patience', '2')  # `small` is frozen now
    pb = paths.frozen('small')
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == 'next: python -m src.inference.classify PHOTO.jpg --model small'
    os.utime(pb, (1, 1))
    run('spoilt', '--learning-rate', '5', '--patience', '2')
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == 'next: python -m src.freezing.freeze --name small'
    pb.unlink()


def test_without_validation_photos_the_last_step_is_kept(small, monkeypatch):
    """Step 0 is evaluated, but nothing says that it is better."""
    folder = paths.records('small')
    manifest = files.read_json(folder / 'manifest.json')
    counts = {split: number for split, number in manifest['counts'].items() if split != 'validation'}
    shards = [name for name in manifest['shards'] if not name.startswith('validation')]
    records = Records(folder, manifest | {'counts': counts, 'shards': shards})
    for module in (fine_tune, tail):
        monkeypatch.setattr(module, 'open_records', lambda name: records)
    told = run('unvalidated', '--fresh', '--epochs', '1')
    assert told['best_step'] == told['steps'] > 0
    assert told['scores'].keys() == {'train', 'test'}


def test_activations_are_stored_once_and_go_on_where_they_stopped(small, monkeypatch, capsys):
    settings = ['--fresh', '--seed', '9', '--epochs', '1', '--variants', '3']
    run('stored', *settings)
    assert 'activations of ' in capsys.readouterr().out
    folder = max((paths.records('small') / 'activations').iterdir(), key=lambda path: path.stat().st_mtime)
    shards = {path.name: path.read_bytes() for path in folder.glob('*.tfrecord')}
    assert len(shards) > 3
    run('stored', *settings)
    assert 'activations of ' not in capsys.readouterr().out
    lost = sorted(name for name in shards if name.startswith('train'))[-1]
    (folder / lost).unlink()
    run('stored', *settings)
    assert {path.name: path.read_bytes() for path in folder.glob('*.tfrecord')} == shards
    assert files.read_json(folder / 'activations.json')['variants'] == 3


@pytest.mark.parametrize(
    ('body', 'words'),
    [
        (b'no records at all, but some text', r'train.*tfrecord is missing or damaged: delete it and repeat'),
        (b'', r'holds \d+ of the \d+ records .*: delete this folder, and the same command computes it again'),
    ],
)
def test_damaged_activations_are_computed_again_once_they_are_deleted(small, body, words):
    settings = ['--fresh', '--seed', '11', '--epochs', '1', '--variants', '2']
    run('damaged', *settings)
    folder = max((paths.records('small') / 'activations').iterdir(), key=lambda path: path.stat().st_mtime)
    shard = next(folder.glob('train*'))
    whole = shard.read_bytes()
    shard.write_bytes(body)
    with pytest.raises(UserError, match=words) as caught:
        run('damaged', *settings)
    assert 'conversion' not in str(caught.value)
    shard.unlink()
    run('damaged', *settings)
    assert shard.read_bytes() == whole


def test_the_benchmark_times_a_step_with_and_without_the_cache(small):
    recipes = {str(cache): FineTuneRecipe('small', thaw=THAWED, cache=cache) for cache in (True, False)}
    found = measured(recipes, open_records('small'), 2)
    assert found.keys() == recipes.keys()
    assert all(len(each) == 2 and min(each) > 0 for each in found.values())


OFF = {'shift': 0.0, 'flip': False}
AUGMENTED = [
    {},
    OFF | {'rotation': 40.0},
    OFF | {'zoom': 0.3},
    OFF | {'brightness': 0.3},
    OFF | {'contrast': 0.5},
]


@pytest.mark.parametrize('augmentation', AUGMENTED)
def test_only_training_photos_are_augmented(small, augmentation):
    records = open_records('small')
    recipe = Tail.settled(FineTuneRecipe('small', thaw=THAWED, variants=3, **augmentation), records)
    source = open_source(
        Tail.examples(recipe, records), ('train',), Tail.field(recipe, records), 8, recipe.seed
    )
    assert source.number('train') == 3 * records.counts['train']
    assert source.number('validation') == records.counts['validation']
    held = source.first('train', 6)
    assert held.ids[:3] == [held.ids[0]] * 3 and held.ids[3] != held.ids[0]
    assert not (held.values[0] == held.values[1]).all()
    assert not (held.values[1] == held.values[2]).all()


@pytest.mark.parametrize('in_memory', [True, False])
def test_training_scores_are_of_the_photos_themselves(small, monkeypatch, in_memory):
    monkeypatch.setattr(sources, 'fits_in_memory', lambda *_: in_memory)
    scored = []
    predict = Tail.predict
    monkeypatch.setattr(
        Tail, 'predict', lambda self, session, held: scored.append(held) or predict(self, session, held)
    )
    told = run('themselves', '--fresh', '--epochs', '1', '--variants', '3')
    assert told['scores']['train']['examples'] == told['counts']['train']
    records = open_records('small')
    recipe = Tail.settled(FineTuneRecipe('small', thaw=THAWED, variants=1), records)
    wanted = load(Tail.examples(recipe, records), 'train', field=Tail.field(recipe, records))
    of_train = [held for held in scored if set(held.ids) <= set(wanted.ids)]
    assert len(of_train) > 2  # at the start, after the epoch, and for the score
    for held in of_train:
        assert held.ids == wanted.ids
        np.testing.assert_array_equal(held.values, wanted.values)


def test_a_full_disk_is_told_in_one_line(small, monkeypatch):
    def full(path, examples):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr('src.engine.fine_tuning.activations.write_shard', full)
    with pytest.raises(UserError, match=r'cannot write .*activations.*tfrecord: No space left'):
        run('full', '--fresh', '--seed', '77')


def test_activations_beyond_float16_are_told(small, monkeypatch):
    cut = tail.cut_of(FineTuneRecipe('small', thaw=THAWED), open_records('small'))
    frozen = type(cut).attach_frozen
    monkeypatch.setattr(type(cut), 'attach_frozen', lambda self, pixels: 1e6 * frozen(self, pixels))
    with pytest.raises(UserError, match='exceed the range of float16: use --no-cache'):
        run('beyond', '--fresh', '--seed', '78')


def test_a_pattern_that_matches_nothing_lists_the_layers(small, capsys):
    with pytest.raises(UserError, match="'blok' matches none of the 4 layers"):
        fine_tune.main(['--name', 'small', '--thaw', 'blok'])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        'first/Conv2D',
        'block/a/Conv2D',
        'block/b/Conv2D',
        'last/Conv2D',
    ]
    fine_tune.main(['--name', 'small', '--layers'])
    assert capsys.readouterr().out.splitlines() == lines


def test_a_start_that_does_not_fit_is_refused(small):
    run('tuned_once', '--fresh', '--epochs', '1')
    with pytest.raises(UserError, match='tuned_once is no head on a backbone'):
        run('tuned_twice', '--from', 'tuned_once')
    with pytest.raises(UserError, match='there is no trained model missing'):
        run('tuned_twice', '--from', 'missing')
    with pytest.raises(UserError, match=r'is a recipe for .*\.train_images'):
        fine_tune.main(['--recipe', 'cifar10/cnn_deep'])
    with pytest.raises(UserError, match=r'is a recipe for .*\.fine_tune'):
        find_recipe('cats_dogs/transfer_fine_tuned', HeadRecipe)


@pytest.mark.parametrize('flags', [[], ['--fresh']])
def test_the_model_that_it_starts_from_is_never_replaced(small, flags):
    before = weights('small')
    with pytest.raises(UserError, match=r'small is the model that fine-tuning starts from.* another --model'):
        run('small', *flags)
    assert all((weights('small')[name] == value).all() for name, value in before.items())


def test_a_run_that_started_from_other_weights_is_another_run(small):
    flags = ['--name', 'small', '--model', 'other_head', '--layers', f'{WIDTH},2', '--steps', '3', '--fresh']
    train.main([*flags, '--seed', '5'])
    run('from_other', '--fresh', '--from', 'other_head', '--epochs', '1')
    with pytest.raises(UserError, match=r'was trained with another value of --from \(other_head\): add --f'):
        run('from_other', '--epochs', '1')
    train.main([*flags, '--seed', '6'])
    with pytest.raises(UserError, match='was trained with an earlier state of other_head: add --fresh'):
        run('from_other', '--from', 'other_head', '--epochs', '1')
    with pytest.raises(UserError, match=r'from_other was trained with another command \(fine_tune\)'):
        train.main(['--name', 'small', '--model', 'from_other'])


def test_the_suggested_command_repeats_the_run(small):
    run('repeated', '--fresh', '--no-cache', '--epochs', '1')
    command = to_train('small', 'repeated')
    assert command.startswith('python -m src.training.fine_tune --name small --model repeated --thaw')
    flags = shlex.split(command)[3:]
    parsed = vars(fine_tune.parse_args(flags))
    first = vars(fine_tune.parse_args([*FLAGS, '--model', 'repeated', '--no-cache', '--epochs', '1']))
    assert parsed == first


def test_the_pocket_backbone_goes_all_the_way(tmp_path, capsys):
    photos = write_photos(tmp_path / 'photos', 16, 64)
    pocket = str(paths.POCKET_GRAPH_DEF)
    image_folder_to_tfrecords.main([str(photos), '--name', 'pets', '--backbone', pocket])
    train.main(['--name', 'pets', '--layers', '512,2', '--steps', '20'])
    flags = ['--name', 'pets', '--last-convolutions', '2', '--epochs', '2', '--batch-size', '8']
    fine_tune.main(flags)
    gained = files.read_json(paths.scores('pets_fine_tuned'))['best_step'] > 0
    freezing = 'next: python -m src.freezing.freeze --name pets' + ' --model pets_fine_tuned' * gained
    assert freezing in capsys.readouterr().out.splitlines()
    freeze.main(['--name', 'pets', '--model', 'pets_fine_tuned'])
    assert 'same probabilities as fine-tuned backbone and head' in capsys.readouterr().out
    model = load_model(paths.frozen('pets_fine_tuned'))
    data = (photos / 'light' / '3.png').read_bytes()
    (row,) = model.from_pictures([data])
    assert row.sum() == pytest.approx(1, abs=1e-5)
    training_perf_analysis.main(['--model', 'pets_fine_tuned', '--split', 'train'])
    assert 'training score' in capsys.readouterr().out
