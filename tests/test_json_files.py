"""JSON files of ours that are valid JSON of another shape: one line that names the file, or no effect."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src import __main__ as start
from src.analysis import compare_runs, runs, training_curves
from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation.conversion import job
from src.engine import checkpoints, run_files
from src.engine.learners import learner_of
from src.freezing import freeze
from src.graph import model_info
from src.records import dataset, next_commands
from src.records.manifest import REMEDY, ShardNote
from src.scoring.calibrated import Calibration
from src.training import train

EARLIER = Path(__file__).parent / 'data' / 'earlier'
NAME, MODEL = 'earlier', 'earlier_head'
OTHER = ([], {}, 'x', 3, 0, -1, 1.5, None, True, [[]], {'x': []}, [None], ['x'])  # values of other shapes


@pytest.fixture
def project():
    """A new copy of files of an earlier version, with metrics, calibration and a state of this version."""
    for folder in ('data', 'checkpoints', 'frozen', 'metrics'):
        shutil.copytree(EARLIER / folder, paths.ROOT / folder, dirs_exist_ok=True)
    description = files.read_json(FILES['model.json']())
    scores = {'validation': {'examples': 11, 'top_1': 0.5, 'log_loss': 1.5}}
    facts = Calibration(1.2, 'validation', 11, 1.6, 1.5).facts
    ended = {'steps': 200, 'best_step': 48, 'ended': 'all steps', 'seconds': 1.5}
    files.write_json(FILES['metrics.json'](), description | ended | {'scores': scores, 'calibration': facts})
    files.write_json(FILES['calibration.json'](), facts)
    yield
    shutil.rmtree(paths.records(NAME))
    paths.frozen('earlier_backbone').unlink()
    for model in (MODEL, 'earlier_network'):
        for folder in (paths.checkpoints(model), paths.summaries(model), paths.analysis(model)):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (paths.frozen(model), paths.scores(model)):
            file.unlink(missing_ok=True)


def best() -> str:
    return checkpoints.best_checkpoint(paths.checkpoints(MODEL))


def shard_note() -> Path:
    return paths.records(NAME) / 'notes' / 'train-00000-of-00002.tfrecord.json'


FILES = {
    'manifest.json': lambda: paths.manifest(NAME),
    'shard note': shard_note,
    'model.json': lambda: paths.checkpoints(MODEL) / 'model.json',
    'metrics.json': lambda: paths.scores(MODEL),
    'state.json': lambda: paths.checkpoints(MODEL) / 'state.json',
    'calibration.json': lambda: Path(f'{best()}.calibration.json'),
}


def read_manifest() -> None:
    records = dataset.open_records(NAME)
    assert sum(records.counts.values()) >= 0 and len(records.classes) >= 0
    [str(path) for split in records.counts for path in records.shards(split)]
    if records.has_bottlenecks:
        assert records.width >= 0
    job.require_same(records.manifest, records.manifest, records.folder)


def read_model(model: str = MODEL) -> None:
    facts = run_files.read_model(model)
    assert learner_of(facts).kind
    run_files.scores_of(MODEL, best())
    run_files.claim(MODEL, facts, fresh=False)


def read_metrics() -> None:
    found = runs.all_runs()
    assert [run.recipe for run in found] and [run.steps_in_epoch for run in found]
    compare_runs.runs_table(found)
    runs.read_run(MODEL)


# What reads each file, and what only suggests commands by them and must never fail.
READERS = {
    'manifest.json': read_manifest,
    'shard note': lambda: job.totals_of('train-0', files.read_json(shard_note(), ShardNote, REMEDY)),
    'model.json': read_model,
    'metrics.json': read_metrics,
    'state.json': lambda: checkpoints.read_state(paths.checkpoints(MODEL), 10),
    'calibration.json': lambda: checkpoints.calibration_of(best()),
}


def suggest() -> None:
    for command in (
        next_commands.to_convert(NAME),
        next_commands.to_train(NAME, MODEL),
        next_commands.how_to_train(NAME, MODEL),
        next_commands.to_freeze(NAME, MODEL),
    ):
        assert command
    next_commands.usual_model(NAME)
    start.is_there(paths.manifest(NAME))


def spoiled(value: Any) -> Iterator[tuple[str, Any]]:
    """Copies of a JSON value with another value at one place, or without one key; and the place. Of a list
    its first entry stands for all."""
    for other in OTHER:
        yield 'all of it', other
    keys = list(value) if isinstance(value, dict) else range(isinstance(value, list) and len(value[:1]))
    for key in keys:
        for place, made in spoiled(value[key]):
            whole = copy.copy(value)
            whole[key] = made
            yield f'{key}: {place}', whole
        if isinstance(value, dict):
            yield f'{key} is missing', {k: v for k, v in value.items() if k != key}


@pytest.mark.parametrize('name', FILES)
def test_readers_refuse_in_one_line_that_names_the_file(project, name):
    path, refused = FILES[name](), 0
    good = json.loads(path.read_text())
    READERS[name]()
    for place, value in spoiled(good):
        path.write_text(json.dumps(value))
        try:
            READERS[name]()
        except UserError as error:
            refused += 1
            assert '\n' not in str(error) and ': ' in str(error), place
        except Exception as error:
            raise AssertionError(f'{path.name}, {place}: {value!r}'[:500]) from error
        suggest()
    assert refused > len(OTHER)


OF_OTHERS = ('[]', '3', '"x"', '{', '[' * 100_000, '{"views": "2"}', '{"backbone": [1]}', '{"counts": 5}')


@pytest.mark.parametrize('text', OF_OTHERS)
def test_a_graph_with_another_constant_of_the_name_has_no_facts(text):
    graph_def = model_info.with_facts(tf.GraphDef(), ['a'], {'data_set': 'pets'})
    assert model_info.read_info(graph_def) == {'data_set': 'pets'}
    node = next(node for node in graph_def.node if node.name == model_info.INFO_NODE)
    node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(text))
    assert model_info.read_info(graph_def) == {} and model_info.read_labels(graph_def) == ['a']


LISTS = {'manifest.json': '--overwrite', 'model.json': '--fresh', 'calibration.json': '--fresh'}


@pytest.mark.parametrize('name', LISTS)
def test_the_line_says_what_is_wrong_and_what_to_do(project, name):
    path = FILES[name]()
    path.write_text('[1, 2]')
    wanted = rf'{re.escape(path.name)} is damaged \(it is a list, not an object\): .*{LISTS[name]}'
    with pytest.raises(UserError, match=wanted):
        READERS[name]()


COMMANDS = {
    'train': lambda: train.main(['--name', NAME, '--model', MODEL]),
    'freeze': lambda: freeze.main(['--name', NAME, '--model', MODEL]),
    'curves': lambda: training_curves.main(['--model', MODEL]),
    'compare': lambda: compare_runs.main([]),
}
SPOILED = [
    ('train', 'manifest.json', ('counts',), {'train': 'many'}, "counts.train is 'many', not a whole number"),
    ('train', 'manifest.json', ('shards',), None, 'shards is null, not a list'),
    ('train', 'model.json', ('settings',), [], 'settings is a list, not an object'),
    ('train', 'model.json', ('backbone', 'width'), '48', "backbone.width is '48', not a whole number"),
    ('freeze', 'manifest.json', ('fingerprint',), 7, 'fingerprint is 7, not text'),
    ('freeze', 'model.json', ('classes',), {}, 'classes is an object, not a list'),
    ('freeze', 'model.json', ('settings', 'layers'), 'x', "settings.layers is 'x', not a list or null"),
    ('freeze', 'calibration.json', ('temperature',), 0, 'temperature is 0, less than 0.02'),
    ('curves', 'metrics.json', ('scores',), [], 'scores is a list, not an object'),
    ('curves', 'metrics.json', ('best_step',), 'x', "best_step is 'x', not a whole number"),
    ('compare', 'metrics.json', ('seconds',), 'x', "seconds is 'x', not a number"),
    ('compare', 'metrics.json', ('scores', 'validation'), [1], 'scores.validation is a list, not an object'),
]


NETWORK = 'earlier_network'
SETTINGS = [
    ('side', None, 'settings.side is null, not a whole number'),
    ('side', 0, 'settings.side is 0, less than 1'),
    ('network', 7, 'settings.network is 7, not text'),
    ('network', 'cnn_imagined', "unknown network 'cnn_imagined'"),
    ('views', 3, 'settings.views is 3, not one of 1, 2, 6'),
    ('side', 20, 'does not fit this network'),
]


@pytest.mark.parametrize(('key', 'value', 'fault'), SETTINGS)
def test_freeze_refuses_settings_of_another_network(project, key, value, fault):
    path = paths.checkpoints(NETWORK) / 'model.json'
    whole = json.loads(path.read_text())
    whole['settings'][key] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(UserError, match=re.escape(fault)):
        freeze.main(['--name', NAME, '--model', NETWORK])
    del whole['settings'][key]
    path.write_text(json.dumps(whole))
    with pytest.raises(UserError, match=f"settings has no '{key}'"):
        freeze.main(['--name', NAME, '--model', NETWORK])


@pytest.mark.parametrize(('command', 'name', 'keys', 'value', 'fault'), SPOILED)
def test_commands(project, command, name, keys, value, fault):
    path = FILES[name]()
    whole = json.loads(path.read_text())
    inner = whole
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(UserError, match=rf'{re.escape(path.name)} is damaged \({re.escape(fault)}.*\): .'):
        COMMANDS[command]()
