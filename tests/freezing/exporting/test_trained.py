"""Trained models of all kinds as .tflite and ONNX: what they answer, and what they say of themselves."""

from __future__ import annotations

import json

import numpy as np
import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.freezing import export
from src.freezing.exporting import onnx_format
from src.freezing.exporting.photos import find_photos
from src.graph.lite.interpreters import Interpreters
from src.inference.predictor import load_model
from src.records.dataset import open_records
from tests.freezing.exporting.models import CLASSES, KINDS, exported, pixels_of

schema = pytest.importorskip('ai_edge_litert.schema_py_generated')


@pytest.mark.parametrize('kind', KINDS)
def test_a_model_of_every_kind_gives_its_probabilities(trained, kind):
    path, package = exported(model=trained(kind))
    pixels = pixels_of(kind)
    given = Interpreters(path).run(pixels)
    assert np.abs(given - load_model(paths.frozen(kind)).from_pixels(pixels)).max() < 1e-4
    assert np.ptp(given, axis=0).max() > 0.05  # they depend on the photo
    assert package.labels == list(CLASSES) and package.info['model'] == kind
    assert len(package.info['preprocessing']['pictures']) == (2 if kind == 'joined' else 1)
    lite = package.info['lite']
    assert lite['precision'] == 'float32' and lite['graph_sha256'] == files.sha256(paths.frozen(kind))
    agreement = lite['agreement']
    assert agreement['same_top_1'] == 1 and agreement['max_difference'] < 1e-4
    assert agreement['top_1']['graph'] == agreement['top_1']['exported']


@pytest.mark.parametrize('kind', KINDS)
def test_int8_keeps_the_head_in_float32(trained, kind, capsys):
    path, package = exported('--precision', 'int8', model=trained(kind))
    pixels = pixels_of(kind)
    given, expected = Interpreters(path).run(pixels), load_model(paths.frozen(kind)).from_pixels(pixels)
    assert 0 < np.abs(given - expected).max() < 0.2
    assert package.info['lite']['precision'] == 'int8'
    agreement = package.info['lite']['agreement']
    assert f'same class for {agreement["same_top_1"]:.2%}' in capsys.readouterr().out
    fully = schema.BuiltinOperator.FULLY_CONNECTED
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    (graph,) = model.subgraphs
    weights = [
        graph.tensors[one.inputs[1]].type
        for one in graph.operators
        if model.operatorCodes[one.opcodeIndex].builtinCode == fully
    ]
    wanted = schema.TensorType.INT8 if kind == 'pixels' else schema.TensorType.FLOAT32
    assert set(weights) == {wanted}


@pytest.mark.skipif(
    bool(export.errors.missing_packages(*onnx_format.PACKAGES)), reason='needs tf2onnx and onnxruntime'
)
@pytest.mark.parametrize('kind', KINDS)
def test_as_onnx_a_model_of_every_kind_gives_its_probabilities(trained, kind, capsys):
    import onnx

    path = paths.frozen(trained(kind)).with_suffix('.onnx')
    export.main(['--model', kind, '--format', 'onnx'])
    assert f'{paths.shown(path)} ' in capsys.readouterr().out
    model = onnx.load(path)
    onnx.checker.check_model(model)
    facts = {one.key: json.loads(one.value) for one in model.metadata_props}
    assert facts['labels'] == list(CLASSES)
    info = facts['model_info']
    assert info['model'] == kind and info['preprocessing']['pictures']
    assert info['lite']['graph_sha256'] == files.sha256(paths.frozen(kind))
    assert info['lite']['agreement']['same_top_1'] == 1
    pixels = pixels_of(kind)
    expected = load_model(paths.frozen(kind)).from_pixels(pixels)
    for some in (pixels, pixels[:1]):  # any number at once
        given = onnx_format.Network(path).run(some)
        assert given.shape == (len(some), 2) and np.abs(given - expected[: len(some)]).max() < 1e-4


def test_float16_halves_the_file_of_another_precision_and_says_that_it_replaces_it(trained, capsys):
    exported(model=trained('plain'))
    capsys.readouterr()
    path, _ = exported(model='plain')
    assert 'replace' not in capsys.readouterr().err
    whole = path.stat().st_size
    path, package = exported('--precision', 'float16', model='plain')
    assert 'plain.tflite is in float32: one in float16 will replace it' in capsys.readouterr().err
    assert path.stat().st_size < 0.6 * whole
    assert package.info['lite']['precision'] == 'float16'


def test_the_same_model_gives_the_same_bytes(trained):
    path, _ = exported('--precision', 'int8', model=trained('plain'))
    before = path.read_bytes()
    assert exported('--precision', 'int8', model='plain')[0].read_bytes() == before


def test_photos_that_the_model_was_not_trained_on_are_compared(trained):
    info = {'data_set': trained('plain'), 'learned_from': ['train']}
    found = find_photos(None, info, CLASSES)
    records = open_records('plain')
    assert found.what == 'test and validation photos'
    assert found.number == records.counts['test'] + records.counts['validation']
    learned = [*found.calibration]
    assert len(learned) == sum(records.counts.values())  # few photos: all of them
    everything = info | {'learned_from': ['train', 'validation', 'test']}
    assert find_photos(None, everything, CLASSES).what == 'training photos'
    assert {photo.label for photo in find_photos('plain', {}, ['other']).checked} == {-1}


def test_a_model_that_answers_otherwise_is_refused_and_not_kept(trained, monkeypatch):
    path = paths.frozen(trained('plain')).with_suffix('.tflite')
    path.unlink(missing_ok=True)
    real = Interpreters.run
    monkeypatch.setattr(Interpreters, 'run', lambda self, pixels: real(self, pixels[..., ::-1]))
    with pytest.raises(UserError, match='does not give the probabilities'):
        export.main(['--model', 'plain'])
    monkeypatch.setattr(Interpreters, 'run', lambda self, pixels: real(self, pixels) * np.nan)
    with pytest.raises(UserError, match='no numbers'):
        export.main(['--model', 'plain', '--precision', 'int8'])
    assert not path.exists() and not [*path.parent.glob('.*.tmp')]
