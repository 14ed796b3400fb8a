"""`python -m src`: the steps, what is there, and the next command, which is followed here to the end."""

from __future__ import annotations

import importlib
import re
import shlex

import pytest

from src import __main__ as the_map
from src.common import consts, files, paths
from src.graph.graph_io import write_graph
from tests.graph.graphs import graph_of_2015
from tests.pictures import encoded, photo


@pytest.fixture
def shown(capsys):
    """Shows the map of a data set; returns (box, what it does) of each step, its commands, and the next."""

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


def test_nothing_is_there_yet(shown):
    steps, commands, following = shown()
    assert {box for box, _ in steps} == {'[ ]', '   '}
    assert following == commands[0] == 'sh setup/setup.sh'
    assert commands[1:4] == [
        'python -m src.data_preparation.stanford_ds_to_tfrecords',
        'python -m src.training.train',
        'python -m src.freezing.freeze',
    ]


def test_photos_alone_are_not_yet_photos_and_backbone(shown):
    try:
        (paths.STANFORD_DS_DIR / 'Images').mkdir(parents=True)
        assert shown()[0][0][0] == '[ ]'
        files.write_json(paths.IMAGENET_GRAPH_DEF, 'in place of the graph')
        assert shown()[0][0][0] == '[x]'
        assert shown()[2] == 'python -m src.data_preparation.stanford_ds_to_tfrecords'
    finally:
        (paths.STANFORD_DS_DIR / 'Images').rmdir()
        paths.IMAGENET_GRAPH_DEF.unlink()


def test_every_command_names_the_data_set_and_the_model(shown):
    _, commands, _ = shown('--name', 'my pets', '--model', 'small')
    assert all("--name 'my pets'" in command for command in commands if '.inference.' not in command)
    modelled = [command for command in commands if 'tfrecords' not in command]
    assert all(shlex.split(command)[-2] == '--model' for command in modelled)
    used = [command for command in commands if '.inference.' in command]
    assert len(used) == 2
    assert all(shlex.split(command)[-1].endswith('frozen/small.pb') for command in used)


def test_the_sample_has_its_own_photos_and_a_backbone_that_is_there(shown):
    steps, commands, following = shown('--name', 'sample')
    assert steps[0][1] == 'draw the sample'
    assert following == 'python -m src.data_preparation.sample_dataset'
    words = shlex.split(commands[1])
    assert words[words.index('--backbone') + 1] == 'frozen/pocket/pocket_96.pb'
    assert words[words.index('--data') + 1] == str(paths.SAMPLE_DS_DIR)


@pytest.mark.parametrize('content', ['{"complete": false}', 'damaged'])
def test_records_that_are_not_whole_are_not_there(shown, content):
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


def test_what_is_missing_before_something_that_is_there_is_not_next(shown):
    manifest = paths.records(consts.CURRENT_DATASET_NAME) / 'manifest.json'  # from photos elsewhere
    try:
        files.write_json(manifest, {'complete': True})
        steps, _, following = shown()
        assert [box for box, _ in steps[:3]] == ['[ ]', '[x]', '[ ]']
        assert following == 'python -m src.training.train'
    finally:
        manifest.unlink()


@pytest.mark.slow
def test_the_next_command_leads_to_the_end(shown, tmp_path, monkeypatch):
    for n in range(24):
        folder = tmp_path / 'photos' / ('dark' if n % 2 else 'light')
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{n}.png').write_bytes(encoded(photo(seed=n) // (1 + 3 * (n % 2)), 'PNG'))
    monkeypatch.setattr(paths, 'IMAGENET_GRAPH_DEF', write_graph(graph_of_2015(), tmp_path / 'backbone.pb'))
    done = []
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
        'frozen_to_saved_model',
    ]
    steps, commands, _ = shown('--name', 'mapped', '--model', 'mapped_small')
    assert {box for box, _ in steps} == {'[x]', '   '}
    (classify,) = (command for command in commands if '.classify' in command)
    _, _, module, *arguments = shlex.split(classify)
    arguments[arguments.index('PHOTO.jpg')] = str(tmp_path / 'photos')
    assert importlib.import_module(module).main(arguments) == 0
