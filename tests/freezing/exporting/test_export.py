"""Frozen models as .tflite files: photos to check them on, and what is refused."""

from __future__ import annotations

import shutil

import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.freezing import export
from src.freezing.exporting import photos as photos_module
from src.freezing.exporting import tflite_format
from src.graph.graph_io import read_graph, write_graph
from src.graph.lite import parts
from src.graph.lite.package import read_package
from src.graph.model_info import read_info, replace_info
from tests.freezing.exporting.models import CLASSES, exported

pytest.importorskip('ai_edge_litert')


def test_the_head_is_not_split_off_where_there_is_a_way_around_the_bottleneck(shipped):
    model = export.load_graph(shipped)
    whole = parts.put_weights(model.graph_def, model.weights)
    assert parts.bottleneck_of(whole, model) == model.info['backbone']['vector'] == 'bottleneck:0'
    del model.info['backbone']['vector']
    assert parts.bottleneck_of(whole, model) == 'pool_3:0'
    for name in ('DecodeJpeg:0', 'no_such:0', None):
        model.info['backbone']['bottleneck'] = name
        assert parts.bottleneck_of(whole, model) is None


def test_a_killed_export_leaves_one_file_which_the_next_one_removes(tmp_path, monkeypatch):
    path, seen = tmp_path / 'a.tflite', []
    monkeypatch.setattr(files.os, 'fsync', lambda _: seen.extend(file.name for file in tmp_path.iterdir()))
    with files.atomic_path(path) as part:
        tflite_format.write(part, b'\0\0\0\0TFL3', ['cat'], {})
    assert seen == [part.name]  # on the disk when it may be killed
    part.write_bytes(b'half')
    files.remove_leftovers(path)
    assert [file.name for file in tmp_path.iterdir()] == ['a.tflite']
    assert read_package(path).labels == ['cat']


def test_photos_of_a_folder_calibrate_and_those_that_cannot_be_read_are_counted(shipped, photos, capsys):
    folder = shutil.copytree(photos, shipped.parent / 'photos')
    (folder / 'bär' / '3.jpg').write_bytes((folder / 'bär' / '3.jpg').read_bytes()[:300])
    (folder / 'bär' / '4.jpg').write_bytes(b'no picture')
    (folder / 'notes.txt').write_text('no picture either')
    path, package = exported('--precision', 'int8', '--calibration', str(folder), model='dogs')
    out = capsys.readouterr().out
    assert '2 photos left out, which cannot be read: ' in out and '3.jpg (truncated)' in out
    assert package.info['lite']['agreement']['photos'] == 38
    assert package.info['lite']['calibration'] == {'photos': 38, 'of': 'photos'}
    assert 'top_1' not in package.info['lite']['agreement'] and len(package.labels) == 120
    assert f'{paths.shown(path)} ' in out and 'next: python -m src.inference.classify' in out


def test_other_photos_of_a_folder_are_compared_than_those_of_the_calibration(photos, monkeypatch):
    monkeypatch.setattr(photos_module, 'CALIBRATION', 10)
    found = photos_module.find_photos(str(photos), {}, [])
    calibration, checked = ({photo.name for photo in some} for some in (found.calibration, found.checked))
    assert len(calibration) == 10 and len(checked) == found.number == 30 and not calibration & checked
    assert {name.split('/')[-2] for name in calibration} == set(CLASSES)


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        ([], 'to check the model on, as it belongs to no data set: give --calibration NAME of a data set'),
        (['--calibration', 'nothing'], 'there is neither a data set nor a folder nothing: give'),
        (['--calibration', '{empty}'], 'empty holds no pictures'),
        (
            ['--calibration', '{damaged}', '--precision', 'int8'],
            r'none of .*damaged can be read \(truncated\)',
        ),
        (['--calibration', '{damaged}'], r'no photo of .*damaged can be read \(truncated\)'),
    ],
)
def test_photos_are_needed(shipped, tmp_path, photos, words, line):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'damaged').mkdir()
    (tmp_path / 'damaged' / 'a.jpg').write_bytes((photos / 'bär' / '3.jpg').read_bytes()[:300])
    words = [word.format(empty=tmp_path / 'empty', damaged=tmp_path / 'damaged') for word in words]
    with pytest.raises(UserError, match=line):
        export.main(['--model', 'dogs', *words])


def test_a_model_whose_data_set_is_not_converted_here_needs_photos_too(shipped):
    graph_def = read_graph(shipped)
    replace_info(graph_def, read_info(graph_def) | {'data_set': 'elsewhere'})
    write_graph(graph_def, shipped)
    line = 'was trained on elsewhere, which is not converted here: give --calibration NAME of a data set, or'
    with pytest.raises(UserError, match=line):
        export.main(['--model', 'dogs'])


def test_a_model_without_facts_needs_photos_too(shipped, photos):
    graph_def = read_graph(shipped)
    kept = [node for node in graph_def.node if node.name not in ('labels', 'model_info')]
    del graph_def.node[:]
    graph_def.node.extend(kept)
    write_graph(graph_def, shipped)
    shipped.with_suffix('.txt').write_text(''.join(f'breed {n}\n' for n in range(120)))
    with pytest.raises(UserError, match='photos are needed to check the model on'):
        export.main(['--model', 'dogs'])
    _, package = exported('--calibration', str(photos), '--precision', 'int8', model='dogs')
    assert package.labels[:2] == ['breed 0', 'breed 1']
    assert package.info.keys() == {'preprocessing', 'lite'}


def with_last_op(path, build) -> None:
    """Replace the output of a frozen model by `build(output)`."""
    graph_def = read_graph(path)
    for node in graph_def.node:
        if node.name == 'output_node':
            node.name = 'before'
    with tf.Graph().as_default() as graph:
        (before,) = tf.import_graph_def(graph_def, return_elements=['before:0'], name='')
        tf.identity(build(before), name='output_node')
        write_graph(graph.as_graph_def(), path)


def doubled(x: tf.Tensor) -> tf.Tensor:
    """`x`, by a loop."""
    looped = tf.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, x * 1.0), [tf.constant(0), x])[1]
    return tf.reshape(looped, [-1, 120])


@pytest.mark.parametrize(
    ('build', 'precision', 'line'),
    [
        (lambda x: tf.math.igamma(x + 1, x + 1) * 0 + x, 'float32', 'converted: LiteRT has no op Igamma$'),
        (doubled, 'int8', r'exported in int8: the head has control flow'),
    ],
    ids=['op', 'loop'],
)
def test_what_the_converter_cannot_do_is_named_in_one_line(shipped, photos, build, precision, line):
    with_last_op(shipped, build)
    with pytest.raises(UserError, match=r'dogs\.pb cannot be .*' + line):
        export.main(['--model', 'dogs', '--calibration', str(photos), '--precision', precision])
    assert not shipped.with_suffix('.tflite').exists()


def test_a_loop_is_exported_in_float32(shipped, photos):
    with_last_op(shipped, doubled)
    _, package = exported('--calibration', str(photos), model='dogs')
    assert package.info['lite']['agreement']['max_difference'] < 1e-4


def test_files_that_are_no_frozen_graphs_are_refused(shipped, photos):
    given = ['--calibration', str(photos)]
    export.main(['--model', str(shipped), *given])
    lite = shipped.with_suffix('.tflite')
    with pytest.raises(UserError, match=r'dogs\.tflite is a TensorFlow Lite model'):
        export.main(['--model', str(lite), *given])
    shipped.write_bytes(shipped.read_bytes()[:100_000])
    with pytest.raises(UserError, match=r'dogs\.pb is not a TensorFlow GraphDef, or damaged'):
        export.main(['--model', 'dogs', *given])
    shipped.unlink()
    with pytest.raises(UserError, match=r'there is no .*dogs\.pb'):
        export.main(['--model', 'dogs', *given])


def test_a_model_that_was_trained_on_int8_bottlenecks_keeps_their_backbone(shipped, photos):
    graph_def = read_graph(shipped)
    replace_info(graph_def, read_info(graph_def) | {'precision': 'int8', 'model': 'dogs', 'data_set': 'pets'})
    write_graph(graph_def, shipped)
    line = r'python -m src\.freezing\.freeze --name pets --model dogs writes this \.tflite'
    with pytest.raises(UserError, match=line):
        export.main(['--model', 'dogs', '--precision', 'int8', '--calibration', str(photos)])
    _, package = exported('--calibration', str(photos), model='dogs')
    assert package.info['lite']['precision'] == 'float32'


def test_the_graph_itself_is_never_replaced(shipped, photos):
    named = shipped.rename(shipped.with_suffix('.tflite'))
    before = named.read_bytes()
    with pytest.raises(UserError, match=r'dogs\.tflite would be replaced: rename it to dogs\.pb'):
        export.main(['--model', str(named), '--calibration', str(photos)])
    assert named.read_bytes() == before


def test_without_litert_one_line_says_how_to_install_it(shipped, monkeypatch):
    monkeypatch.setattr(tflite_format, 'PACKAGES', ['no_such_package'])
    with pytest.raises(UserError, match=r'no_such_package is missing: run python -m pip install .*\[lite\]'):
        export.main(['--model', 'dogs'])
