"""`python -m src`: the steps, their states, and the next commands, which are run to the end."""

from __future__ import annotations

import importlib
import os
import re
import shlex
from pathlib import Path

import pytest

from src import __main__ as the_map
from src.analysis import compare_runs, training_curves, training_perf_analysis
from src.common import consts, files, paths
from src.common.errors import UserError
from src.data_preparation.conversion.job import Job, new_manifest
from src.engine import checkpoints
from src.freezing import export, freeze, frozen_to_saved_model
from src.graph.graph_io import write_graph
from src.records import next_commands, trainings
from src.training import fine_tune, train, train_images
from tests.graph.graphs import graph_of_2015
from tests.pictures import encoded, photo


@pytest.fixture(autouse=True)
def fresh_project(tmp_path, monkeypatch):
    """Work folders without what other tests converted and trained."""
    for name in ('RECORDS_DIR', 'FROZEN_MODELS_DIR', 'CHECKPOINTS_DIR', 'SUMMARY_DIR', 'METRICS_DIR'):
        monkeypatch.setattr(paths, name, tmp_path / getattr(paths, name).relative_to(paths.ROOT))


@pytest.fixture
def shown(capsys):
    """Shows the map; returns (box, text) of each step, the commands, and the next command."""

    def show(*arguments):
        capsys.readouterr()
        the_map.main(list(arguments))
        text = capsys.readouterr().out
        steps = re.findall(r'^\d\. (\[.\]|   ) (\S.*?)(?:  .*)?$', text, re.MULTILINE)
        commands = re.findall(r'^ {7}(\S.*)$', text, re.MULTILINE)
        assert len(steps) == len(commands)
        following = re.search(r'^next +(.*)$', text, re.MULTILINE)
        return steps, commands, following and following[1]

    return show


def test_an_empty_project(shown):
    steps, commands, following = shown()
    assert {box for box, _ in steps} == {'[ ]', '   '}
    assert following == commands[0] == 'sh setup/setup.sh'
    assert commands[1:4] == [
        'python -m src.data_preparation.stanford_ds_to_tfrecords',
        'python -m src.training.train',
        'python -m src.freezing.freeze',
    ]


def test_photos_without_the_backbone_are_not_done(shown):
    try:
        (paths.STANFORD_DS_DIR / 'Images').mkdir(parents=True)
        assert shown()[0][0][0] == '[ ]'
        files.write_json(paths.IMAGENET_GRAPH_DEF, 'in place of the graph')
        assert shown()[0][0][0] == '[x]'
        assert shown()[2] == 'python -m src.data_preparation.stanford_ds_to_tfrecords'
    finally:
        (paths.STANFORD_DS_DIR / 'Images').rmdir()
        paths.IMAGENET_GRAPH_DEF.unlink()


def test_a_name_of_nothing_is_refused_with_similar_names(shown, made, capsys):
    made('flowers', backbone=POCKET, **FOLDER)
    convert = r'python -m src\.data_preparation\.image_folder_to_tfrecords DIR --name {}'
    refused = r'^there is no data set {}: to make it run ' + convert
    with pytest.raises(UserError, match=refused.format('flwers', 'flwers') + '; similar names: flowers$'):
        shown('--name', 'flwers')
    with pytest.raises(UserError, match=refused.format('xyzzy', 'xyzzy') + '$'):
        shown('--name', 'xyzzy')
    assert capsys.readouterr().out == ''
    converted = r'the data set flwers is not converted \(\S* is missing\): run ' + convert.format('flwers')
    for command in (train, fine_tune, train_images):
        with pytest.raises(UserError, match=converted + '; similar names: flowers$'):
            command.main(['--name', 'flwers'])
    for command in (training_curves, freeze, training_perf_analysis, compare_runs):
        with pytest.raises(UserError, match=r'; similar names: flowers$'):
            command.main(['--name', 'flwers'])


@pytest.mark.parametrize(
    'name', ['stanford', 'sample', 'cifar10', 'cats_dogs', 'kaggle', 'trained', 'frozen']
)
def test_names_of_known_data_sets_and_of_models_have_a_map(shown, made, name):
    made('trained', 'some', backbone=None)
    files.write_json(paths.frozen('frozen'), {})
    assert shown('--name', name)[1]


def test_every_command_names_the_data_set_and_the_model(shown, made):
    made('my pets', backbone=POCKET, **FOLDER)
    _, commands, _ = shown('--name', 'my pets', '--model', 'small')
    assert all("--name 'my pets'" in command for command in commands if '.inference.' not in command)
    modelled = [command for command in commands if 'tfrecords' not in command]
    assert all(shlex.split(command)[-2] == '--model' for command in modelled)
    used = [command for command in commands if '.inference.' in command]
    assert len(used) == 2
    assert all(shlex.split(command)[-1] == 'small' for command in used)


def test_the_sample_has_its_own_photos_and_a_backbone_that_is_there(shown):
    steps, commands, following = shown('--name', 'sample')
    assert steps[0][1] == 'draw the sample'
    assert following == 'python -m src.drawn_dogs.draw'
    words = shlex.split(commands[1])
    assert words[words.index('--backbone') + 1] == 'frozen/pocket/pocket.pb'
    assert words[words.index('--data') + 1] == str(paths.SAMPLE_DS_DIR)


@pytest.mark.parametrize('content', ['{"complete": false}', 'damaged'])
def test_incomplete_records_are_not_done(shown, content):
    manifest = paths.records('half') / 'manifest.json'
    manifest.parent.mkdir(parents=True)
    try:
        manifest.write_text(content)
        steps, _, following = shown('--name', 'half')
        assert steps[0][0] == '[ ]'
        assert following == 'python -m src.data_preparation.image_folder_to_tfrecords DIR --name half'
    finally:
        manifest.unlink()
        manifest.parent.rmdir()


def test_a_missing_output_before_an_existing_one_is_not_next(shown):
    manifest = paths.records(consts.CURRENT_DATASET_NAME) / 'manifest.json'  # from photos elsewhere
    try:
        files.write_json(manifest, {'complete': True})
        steps, _, following = shown()
        assert [box for box, _ in steps[:3]] == ['[ ]', '[x]', '[ ]']
        assert following == 'python -m src.training.train'
    finally:
        manifest.unlink()


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Writes manifests and model.json files into empty folders, as the commands write them."""
    monkeypatch.setattr(paths, 'RECORDS_DIR', tmp_path / 'records')
    monkeypatch.setattr(paths, 'CHECKPOINTS_DIR', tmp_path / 'checkpoints')

    def make(name, model=None, **notes):
        folder = paths.checkpoints(model) / 'model.json' if model else paths.records(name) / 'manifest.json'
        files.write_json(
            folder, {'data_set': name, 'name': name, 'complete': True, 'fingerprint': 'f'} | notes
        )

    return make


FOLDER = {'source': '/my photos', 'converter': 'image_folder_to_tfrecords'}
BATCHES = {
    'source': '/c.tar.gz',
    'split_by': 'test batch',
    'backbone': None,
}  # of a version without `converter`
POCKET = {'path': str(paths.POCKET_GRAPH_DEF), 'bottleneck': 'mixed:0', 'pixel_range': [-1, 1]}


@pytest.mark.parametrize(
    'name, manifest, convert, train',
    [
        (
            'photos',
            {**FOLDER, 'backbone': POCKET},
            "image_folder_to_tfrecords '/my photos' --name photos --backbone frozen/pocket/pocket.pb "
            '--bottleneck mixed:0 --pixel-range=-1,1',
            'train --name photos',
        ),
        (
            'photos',
            {**FOLDER, 'backbone': None},
            "image_folder_to_tfrecords '/my photos' --name photos --no-backbone",
            'train_images --name photos --side 64',
        ),
        # Named as if they were others: what they hold counts.
        (
            'cifar10',
            {**FOLDER, 'backbone': POCKET},
            "image_folder_to_tfrecords '/my photos' --name cifar10 --backbone frozen/pocket/pocket.pb "
            '--bottleneck mixed:0 --pixel-range=-1,1',
            'train --name cifar10',
        ),
        (
            'stanford',
            {'source': str(paths.STANFORD_DS_DIR), 'split_by': 'official', 'backbone': None},
            'stanford_ds_to_tfrecords --no-backbone',
            'train_images --name stanford --side 64',
        ),
        ('small', BATCHES, 'cifar10_to_tfrecords --data /c.tar.gz --name small', 'train_images --name small'),
        (
            'cats_dogs',
            {
                'source': '/train.zip',
                'converter': 'dogs_vs_cats_to_tfrecords',
                'draw': {'train': 1000, 'test': 0.25, 'seed': 2},
                'backbone': None,
            },
            'dogs_vs_cats_to_tfrecords --data /train.zip --train-per-class 1000 --test-per-class 0.25 '
            '--seed 2 --no-backbone',
            'train_images --recipe cats_dogs/cnn_small --name cats_dogs',
        ),
        (
            'cats_dogs',
            {
                'source': '/train.zip',
                'converter': 'dogs_vs_cats_to_tfrecords',
                'backbone': {'path': str(paths.IMAGENET_GRAPH_DEF)},
            },
            'dogs_vs_cats_to_tfrecords --data /train.zip',
            'train --recipe cats_dogs/transfer_head --name cats_dogs',
        ),
        (
            'kaggle',
            {'source': '/k', 'copies': ['mirrored'], 'backbone': {'path': str(paths.IMAGENET_GRAPH_DEF)}},
            'kaggle_images_to_tfrecords --data /k --augment',
            'train --name kaggle',
        ),
    ],
)
def test_it_follows_the_manifest(shown, made, name, manifest, convert, train):
    made(name, **manifest)
    steps, commands, following = shown('--name', name)
    at = next(place for place, (_, what) in enumerate(steps) if what == 'pictures to records')
    assert commands[at] == f'python -m src.data_preparation.{convert}'
    assert commands[at + 1] == following == f'python -m src.training.{train}'
    assert steps[at + 1][1] == ('train the network' if 'train_images' in train else 'train the head')


def test_its_conversion_works_from_any_folder(shown, made, tmp_path, monkeypatch):
    for folder in ('home/photos', 'elsewhere/photos', 'work'):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(paths, 'ROOT', tmp_path / 'home')
    for source, typed in (('home/photos', '../home/photos'), ('elsewhere/photos', '../elsewhere/photos')):
        monkeypatch.chdir(tmp_path)
        notes = new_manifest(Job('photos', Path(source), ()), None, ['a', 'b'], 1)
        pocket = {'path': paths.from_root(paths.POCKET_GRAPH_DEF)}
        made(**notes | {'converter': 'image_folder_to_tfrecords', 'backbone': pocket, 'complete': True})
        monkeypatch.chdir(tmp_path / 'work')
        _, _, _, given, *_, backbone = shlex.split(shown('--name', 'photos')[1][0])
        assert Path(given).samefile(typed)
        assert Path(backbone).samefile(paths.POCKET_GRAPH_DEF)


def test_it_repeats_the_address_of_another_store(shown, made):
    made('far', source='gs://photos/x', converter='beam_to_tfrecords', backbone={'path': 'gs://graphs/b.pb'})
    assert shown('--name', 'far')[1][0] == (
        'python -m src.data_preparation.beam_to_tfrecords gs://photos/x --name far --backbone gs://graphs/b.pb'
    )


def test_it_follows_what_was_trained(shown, made):
    made('photos', backbone=None, **FOLDER)
    settings = {'network': 'cnn_deep', 'side': 48, 'epochs': 3.0, 'flip': False, 'precision': 'bfloat16'}
    made('photos', 'deep one', recipe='cifar10/cnn_deep', settings=settings, records='f', backbone=None)
    for arguments in (['--name', 'photos'], ['--model', 'deep one']):
        _, commands, _ = shown(*arguments)
        assert commands[1] == (
            "python -m src.training.train_images --recipe cifar10/cnn_deep --name photos --model 'deep one' "
            '--side 48 --epochs 3 --no-flip'
        )
        assert commands[2] == "python -m src.freezing.freeze --name photos --model 'deep one'"
    made('photos', **FOLDER, backbone=None, fingerprint='converted again')
    assert shown('--name', 'photos')[1][1].endswith("--name photos --model 'deep one' --side 64 --fresh")
    with pytest.raises(UserError, match='was trained on photos, not on pets: use --name photos'):
        shown('--name', 'pets', '--model', 'deep one')


def test_the_folds_of_a_cross_validation_are_repeated(shown, made):
    made('photos', backbone=POCKET, **FOLDER)
    made('photos', 'photos', backbone=POCKET, records='f', settings={}, changed={'all_splits': True})
    wanted = 'python -m src.training.train --name photos --all-splits'
    assert shown('--name', 'photos')[1][1] == wanted
    files.write_json(paths.checkpoints('photos') / trainings.CROSS_VALIDATED, {'folds': 5, 'top_1': 0.5})
    assert shown('--name', 'photos')[1][1] == f'{wanted} --folds 5'


def test_a_namesake_is_followed_before_a_newer_model(shown, made):
    made('photos', backbone=POCKET, **FOLDER)
    for model in ('photos', 'newer'):
        made('photos', model, backbone=POCKET, records='f', settings={'layers': [512, 64, 9]})
    assert shown('--name', 'photos')[1][1:3] == [
        'python -m src.training.train --name photos --layers 0,64,0',
        'python -m src.freezing.freeze --name photos',
    ]


def test_an_output_older_than_its_source_is_out_of_date_and_next(shown, made, monkeypatch, tmp_path):
    for place in ('FROZEN_MODELS_DIR', 'METRICS_DIR', 'SAVED_MODELS_DIR'):
        monkeypatch.setattr(paths, place, tmp_path / place)
    made('photos', backbone=POCKET, **FOLDER)
    made('photos', 'photos', backbone=POCKET, records='f', settings={})
    best, pb = paths.checkpoints('photos') / checkpoints.BEST, paths.frozen('photos')
    table = paths.analysis('photos') / 'training_confusion.csv'
    exported = paths.SAVED_MODELS_DIR / 'photos' / '1' / 'saved_model.pb'
    lite = pb.with_suffix('.tflite')
    for age, path in enumerate((exported, lite, table, pb, best, paths.scores('photos'))):
        files.write_json(path, {})
        os.utime(path, (1e9 - age, 1e9 - age))
    os.utime(exported.parent.parent, (1e9, 1e9))

    def boxes():
        steps, commands, following = shown('--name', 'photos')
        return ''.join(box[1] for box, _ in steps), commands.index(following) if following else None

    assert boxes() == ('xxx xxx ', None)
    os.utime(best, (1e9 - 2.5, 1e9 - 2.5))  # trained anew since it was frozen
    assert boxes() == ('xx~ ~~~ ', 2)
    os.utime(pb, (1e9 + 2, 1e9 + 2))  # frozen anew since it was analysed and exported
    assert boxes() == ('xxx ~~~ ', 4)
    os.utime(table, (1e9 + 3, 1e9 + 3))
    os.utime(lite, (1e9 + 3, 1e9 + 3))
    exported.unlink()
    exported.parent.rmdir()
    exported.parent.parent.rmdir()
    assert boxes() == ('xxx xx  ', 6)


def test_a_missing_model_is_answered_with_the_one_that_was_trained(made):
    made('photos', backbone=None, **FOLDER)
    made('photos', 'photos_cnn_simple', records='f', backbone=None)
    for command in (freeze, training_perf_analysis, training_curves, frozen_to_saved_model, export):
        with pytest.raises(UserError, match=r'--model photos_cnn_simple$'):
            command.main(['--name', 'photos'])
    for command in (training_perf_analysis, frozen_to_saved_model, export):
        wanted = r'run python -m src\.freezing.freeze --name photos --model photos_cnn_simple$'
        with pytest.raises(UserError, match=wanted):
            command.main(['--name', 'photos', '--model', 'photos_cnn_simple'])


@pytest.mark.slow
def test_the_next_command_leads_to_the_end(shown, tmp_path, monkeypatch):
    pytest.importorskip('ai_edge_litert')
    for n in range(24):
        folder = tmp_path / 'photos' / ('dark' if n % 2 else 'light')
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{n}.png').write_bytes(encoded(photo(seed=n) // (1 + 3 * (n % 2)), 'PNG'))
    monkeypatch.setattr(paths, 'IMAGENET_GRAPH_DEF', write_graph(graph_of_2015(), tmp_path / 'backbone.pb'))
    # There is no map of a data set that does not exist yet.
    with pytest.raises(UserError, match='to make it run') as refused:
        shown('--name', 'mapped', '--model', 'mapped_small')
    done = [str(refused.value).partition(' run ')[2]]
    _, _, module, *arguments = shlex.split(done[0])
    importlib.import_module(module).main([str(tmp_path / 'photos') if w == 'DIR' else w for w in arguments])
    while following := shown('--name', 'mapped', '--model', 'mapped_small')[2]:
        assert following not in done
        done.append(following)
        _, _, module, *arguments = shlex.split(following)
        given = [str(tmp_path / 'photos') if word == 'DIR' else word for word in arguments]
        importlib.import_module(module).main(given)
    assert [command.split()[2].split('.')[-1] for command in done] == [
        'image_folder_to_tfrecords',
        'train',
        'freeze',
        'training_perf_analysis',
        'export',
        'frozen_to_saved_model',
    ]
    steps, commands, _ = shown('--name', 'mapped', '--model', 'mapped_small')
    assert {box for box, _ in steps} == {'[x]', '   '}
    (classify,) = (command for command in commands if '.classify' in command)
    _, _, module, *arguments = shlex.split(classify)
    arguments[arguments.index('PHOTO.jpg')] = str(tmp_path / 'photos')
    assert importlib.import_module(module).main(arguments) == 0


def test_a_model_that_is_named_after_a_recipe_is_trained_by_it():
    for recipe in ('mlp', 'cnn_deep'):
        wanted = f'python -m src.training.train_images --recipe cifar10/{recipe} --name cifar10'
        assert next_commands.to_train('cifar10', f'cifar10_{recipe}') == wanted


def test_a_distilled_backbone_is_for_records_of_any_data_set(shown):
    files.write_json(paths.checkpoints('student') / 'model.json', {'learner': 'student'})
    steps, commands, following = shown('--model', 'student', '--name', 'sample')
    assert steps == [('[ ]', 'distill it'), ('   ', 'pictures to records')]
    assert following == commands[0] == 'python -m src.training.distill PHOTOS --teacher PB --model student'
    assert commands[1].endswith(f'DIR --name sample --backbone {paths.shown(paths.frozen("student"))}')


@pytest.mark.parametrize(('words', 'scored'), [([], 'NAME'), (['--name', 'sample'], 'sample')])
def test_a_model_of_which_only_the_frozen_file_is_here_is_not_trained(shown, words, scored):
    for suffix in ('.pb', '.tflite'):  # copied
        files.write_json(paths.frozen('dogs').with_suffix(suffix), {})
    steps, commands, following = shown('--model', 'dogs', *words)
    assert commands == [
        'python -m src.inference.classify PHOTO.jpg --model dogs',
        f'python -m src.analysis.training_perf_analysis --name {scored} --model dogs',
        'python -m src.freezing.export --precision int8 --model dogs --calibration PHOTOS',
        'python -m src.freezing.frozen_to_saved_model --model dogs',
        'python -m src.inference.serve --model dogs',
    ]
    assert [box for box, _ in steps] == ['   ', '   ', '[x]', '[ ]', '   ']
    assert following == commands[3]


def test_a_frozen_file_with_the_name_of_a_data_set_is_that_of_its_model(shown, made):
    made('photos', backbone=POCKET, **FOLDER)
    files.write_json(paths.frozen('photos'), {})
    assert shown('--model', 'photos')[1] == shown('--name', 'photos')[1]
