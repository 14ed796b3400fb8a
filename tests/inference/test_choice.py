"""Which file of a model is used, and files that cannot be used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.lite.package import packed, read_package
from src.images.faults import BadImage
from src.inference import choice, classify
from src.inference.choice import lightest, wanted_model
from src.inference.predictor import load_model
from tests.inference.models import SIDES, bright_above, brightest_side
from tests.lite import tflite_of
from tests.pictures import encoded

pytest.importorskip('ai_edge_litert')


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> Path:
    """A folder with side.pb and side.tflite, to copy."""
    folder = tmp_path_factory.mktemp('models')
    tflite_of(brightest_side(folder / 'side.pb'), folder / 'side.tflite')
    return folder


@pytest.fixture
def named(made):
    """The model `sides` in frozen/."""
    graph = paths.frozen('sides')
    graph.parent.mkdir(exist_ok=True)
    for suffix in ('.pb', '.tflite'):
        shutil.copy(made / f'side{suffix}', graph.with_suffix(suffix))
    choice._fault.cache_clear()
    yield graph
    for suffix in ('.pb', '.tflite'):
        graph.with_suffix(suffix).unlink(missing_ok=True)


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / 'a.png'
    path.write_bytes(encoded(bright_above(), 'PNG'))
    return path


def used(capsys, *words) -> str:
    """The file name of the model that `classify` says it used."""
    assert classify.main([*map(str, words), '--top', '1']) == 0
    head, _, line = capsys.readouterr().out.splitlines()
    assert line.split()[0] == 'top'
    return Path(head.partition(':')[0]).name


def test_a_named_model_is_run_by_litert_and_a_path_as_it_is(named, picture, capsys):
    assert used(capsys, picture, '--model', 'sides') == 'sides.tflite'
    assert used(capsys, picture, '--name', 'sides') == 'sides.tflite'
    assert used(capsys, picture, '--model', named) == 'sides.pb'
    assert used(capsys, picture, '--model', named.with_suffix('.tflite')) == 'sides.tflite'
    named.unlink()
    assert used(capsys, picture, '--model', 'sides') == 'sides.tflite'
    with pytest.raises(UserError, match=r'there is no .*sides\.pb'):
        classify.main([str(picture), '--model', str(named)])
    assert wanted_model('sides').by_path is False and wanted_model(str(named)).by_path is True


def test_of_a_folder_of_versions_the_newest(made, picture, capsys):
    folder = paths.FROZEN_MODELS_DIR / 'versions'
    folder.mkdir(parents=True)
    try:
        shutil.copy(made / 'side.pb', folder / '7.pb')
        shutil.copy(made / 'side.tflite', folder / '7.tflite')
        assert used(capsys, picture, '--model', 'versions') == '7.tflite'
    finally:
        shutil.rmtree(folder)


def test_a_file_of_another_graph_is_not_used_and_that_is_said_once(named, picture, capsys):
    brightest_side(named, sharpness=0.2)
    for lines in (1, 0):
        assert lightest(named) == named
        error = capsys.readouterr().err.splitlines()
        assert len(error) == lines
    assert error == []
    choice._fault.cache_clear()
    assert lightest(named) == named
    (line,) = capsys.readouterr().err.splitlines()
    graph, lite = paths.shown(named), paths.shown(named.with_suffix('.tflite'))
    assert line == f'{lite} was made from another sides.pb: {graph} is used instead'
    assert used(capsys, picture, '--model', 'sides') == 'sides.pb'


@pytest.mark.parametrize('content', [b'', b'no model', b'\x1c\0\0\0TFL3' + bytes(40)])
def test_a_damaged_file_beside_the_graph_is_not_used(named, content, capsys):
    named.with_suffix('.tflite').write_bytes(content)
    assert lightest(named) == named
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f'{paths.shown(named)} is used instead')


def test_a_file_that_cannot_be_loaded_beside_the_graph_is_not_used(named, picture, capsys):
    lite = named.with_suffix('.tflite')
    package, content = read_package(lite), lite.read_bytes()
    model = content.partition(b'PK\x03\x04')[0]
    nonsense = {'height': 8, 'width': 8, 'pictures': []}
    flipped = bytearray(content)
    flipped[len(model) // 2] ^= 1
    for made, words in (
        (bytes(flipped), 'is damaged: export it again'),
        (packed(model[:60], package.labels, package.info), 'LiteRT does not accept'),
        (packed(model, [], package.info), 'contains no labels'),
        (packed(model, package.labels[1:], package.info), 'has 4 classes but 3 labels'),
        (packed(model, package.labels, package.info | {'preprocessing': nonsense}), 'no pictures'),
        (packed(model, package.labels, package.info | {'preprocessing': None}), 'does not say which pixels'),
    ):
        lite.write_bytes(made)
        choice._fault.cache_clear()
        assert used(capsys, picture, '--model', 'sides') == 'sides.pb'
        choice._fault.cache_clear()
        assert lightest(named) == named
        (line,) = [line for line in capsys.readouterr().err.splitlines() if 'used instead' in line]
        assert words in line and line.endswith(f': {paths.shown(named)} is used instead')


def test_without_litert_the_graph_is_used_and_a_tflite_file_refused(named, picture, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ai_edge_litert', None)  # as if it were not installed
    assert used(capsys, picture, '--model', 'sides') == 'sides.pb'
    with pytest.raises(UserError, match=r'the package ai_edge_litert is missing: run .*pip install .*lite'):
        load_model(named.with_suffix('.tflite'))


def test_where_litert_cannot_be_loaded_the_graph_is_used(named, picture, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ai_edge_litert.interpreter', None)  # its import then fails
    assert used(capsys, picture, '--model', 'sides') == 'sides.pb'
    choice._fault.cache_clear()
    assert lightest(named) == named
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('LiteRT (ai_edge_litert) cannot be loaded here: ')
    assert line.endswith(f': {paths.shown(named)} is used instead')


def test_several_views_are_for_the_graph(named, picture):
    with pytest.raises(UserError, match=r'sides\.pb was not validated with 2 views'):
        classify.main([str(picture), '--model', 'sides', '--views', '2'])
    with pytest.raises(UserError, match=r'--views 2 is for frozen graphs'):
        classify.main([str(picture), '--model', str(named.with_suffix('.tflite')), '--views', '2'])


def bare_model(
    path: Path,
    batch: int = 1,
    side: int | None = 4,
    two_inputs: bool = False,
    quantized: bool = False,
    scalar: bool = False,
    change: Callable | None = None,
) -> Path:
    """A .tflite file as other makers write it: no facts, and here the means of the three colors
    (or of all, or what `change` makes of them)."""
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = tf.placeholder(tf.float32, [batch, side, 6, 3])
        inputs, values = [pixels], [tf.reduce_mean(pixels, [1, 2])]
        if scalar:
            values = [tf.reduce_mean(pixels)]
        if change:
            values = [change(values[0])]
        if two_inputs:
            inputs.append(tf.placeholder(tf.float32, [1, 3]))
            values = [values[0] + inputs[1]]
        converter = tf.lite.TFLiteConverter.from_session(session, inputs, values)
        if quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: [[np.ones([1, 4, 6, 3], np.float32)]]
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
        path.write_bytes(converter.convert())
    path.with_suffix('.txt').write_text('red\ngreen\nblue\n')
    return path


def test_a_file_of_other_makers_needs_its_labels_and_the_range_of_its_pixels(tmp_path, capsys):
    lite = bare_model(tmp_path / 'mean.tflite')
    picture = tmp_path / 'a.png'
    colors = np.full((40, 30, 3), [0, 102, 255], np.uint8)
    picture.write_bytes(encoded(colors, 'PNG'))
    with pytest.raises(UserError, match=r'mean\.tflite does not say which pixels it takes: .*-range 0,1'):
        load_model(lite)
    assert classify.main([str(picture), '--model', str(lite), '--pixel-range', '0,1']) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert lines == [['blue', '100.00%'], ['green', '40.00%'], ['red', '0.00%']]
    model = load_model(lite, pixel_range=(-1, 1))
    (answer,) = model.from_pictures([picture.read_bytes()])
    np.testing.assert_allclose(answer, [-1, -0.2, 1], atol=1e-6)


def test_a_range_for_a_model_that_knows_its_own(made, picture):
    for name in ('side.pb', 'side.tflite'):
        with pytest.raises(UserError, match=r'side\.\w+ holds its own preprocessing: leave'):
            classify.main([str(picture), '--model', str(made / name), '--pixel-range', '0,1'])


def test_models_of_another_kind_are_refused_in_one_line(tmp_path):
    kinds = {
        'two inputs': ({'two_inputs': True}, r'has 2 inputs and 1 outputs'),
        'batch of 8': ({'batch': 8}, r'is a model from \[8, 4, 6, 3\] to \[8, 3\]: one from \[1, height'),
        'height of any size': (
            {'side': None},
            r'is a model from \[1, -1, 6, 3\] to \[1, 3\]: one from \[1, h',
        ),
        'scalar': ({'scalar': True}, r'is a model from \[1, 4, 6, 3\] to \[\]: one from \[1, height'),
        'quantized': ({'quantized': True}, r'the input of .* is uint8: convert it with float32 input'),
    }
    for name, (options, words) in kinds.items():
        with pytest.raises(UserError, match=words) as error:
            load_model(bare_model(tmp_path / f'{name}.tflite', **options), pixel_range=(0, 1))
        assert '\n' not in str(error.value)


def test_values_that_are_not_finite_are_no_probabilities(tmp_path, capsys):
    lite = bare_model(tmp_path / 'roots.tflite', change=tf.sqrt)
    for name, level in ('dark', 0), ('bright', 255):
        (tmp_path / f'{name}.png').write_bytes(encoded(np.full((4, 6, 3), level, np.uint8), 'PNG'))
    names = [str(tmp_path / f'{name}.png') for name in ('dark', 'bright')]
    model = load_model(lite, pixel_range=(-1, 1))
    dark, bright = model.from_pictures([Path(name).read_bytes() for name in names])
    assert isinstance(dark, BadImage) and bright.tolist() == [1, 1, 1]
    with pytest.raises(UserError, match=r'roots\.tflite gives values that are not finite'):
        model.from_pixels(np.full((1, 4, 6, 3), -1, np.float32))
    classify.main([*names, '--model', str(lite), '--pixel-range=-1,1', '--json'])
    printed = capsys.readouterr()
    assert 'NaN' not in printed.out and 'dark.png' in printed.out + printed.err
    assert 'the model gives values that are not finite' in printed.out + printed.err


def test_a_model_that_litert_cannot_run_ends_in_one_line(tmp_path):
    def picked(means):
        """The means of the color whose number is the first mean."""
        return tf.gather(means, tf.cast(means[0, :1] * tf.ones([3]), tf.int32), axis=1)

    model = load_model(bare_model(tmp_path / 'pick.tflite', change=picked), pixel_range=(0, 1))
    assert model.from_pixels(np.full((1, 4, 6, 3), 2, np.float32)).tolist() == [[2, 2, 2]]
    with pytest.raises(UserError, match=r'LiteRT cannot run .*pick\.tflite: .*out of bounds') as error:
        model.from_pixels(np.full((1, 4, 6, 3), 70, np.float32))
    assert '\n' not in str(error.value)
    assert model.from_pixels(np.ones((1, 4, 6, 3), np.float32)).tolist() == [[1, 1, 1]]


def test_a_truncated_file(made, tmp_path):
    whole = (made / 'side.tflite').read_bytes()
    for share in (0.3, 0.8):
        cut = tmp_path / 'cut.tflite'
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UserError):
            load_model(cut)


def test_from_python_the_callers_tensorflow_is_left_alone(named, picture):
    code = (
        'import sys\nfrom src.inference.classify import classify\n'
        'table = classify("file", sys.argv[1], "sides")\n'
        'print(table.breed[0], list(table.columns), "tensorflow" in sys.modules)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, str(picture)],
        env=os.environ | {'PYTHONPATH': str(paths.CHECKOUT), 'ROOTSTOCK_HOME': str(paths.ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "top ['prob', 'breed'] False\n", done.stderr
    assert SIDES[0] == 'top'
