"""Frozen models as ONNX."""

from __future__ import annotations

import json

import numpy as np
import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.freezing import export
from src.freezing.exporting import onnx_format
from src.inference.predictor import load_model
from tests.freezing.exporting.models import CLASSES, KINDS, pixels_of
from tests.freezing.exporting.test_export import with_last_op

needed = pytest.mark.skipif(
    bool(export.errors.missing_packages(*onnx_format.PACKAGES)), reason='needs tf2onnx and onnxruntime'
)


@needed
@pytest.mark.parametrize('kind', KINDS)
def test_a_model_of_every_kind_gives_its_probabilities(trained, kind, capsys):
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


@needed
def test_an_op_that_onnx_lacks_is_named_in_one_line(shipped, photos):
    with_last_op(shipped, lambda x: tf.math.igamma(x + 1, x + 1) * 0 + x)
    with pytest.raises(UserError, match=r'dogs\.pb cannot be converted: ONNX has no op Igamma$'):
        export.main(['--model', 'dogs', '--format', 'onnx', '--calibration', str(photos)])
    assert not shipped.with_suffix('.onnx').exists()


@needed
def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / 'a.onnx').write_bytes(b'nothing of the kind')
    with pytest.raises(UserError, match='ONNX Runtime does not accept the model'):
        onnx_format.opened(tmp_path / 'a.onnx')


def test_onnx_is_written_in_float32_only(capsys):
    with pytest.raises(SystemExit) as ended:
        export.main(['--model', 'dogs', '--format', 'onnx', '--precision', 'int8'])
    assert ended.value.code == 2 and '--format onnx is written in float32 only' in capsys.readouterr().err


def test_without_the_packages_one_line_says_how_to_install_them(shipped, monkeypatch):
    monkeypatch.setattr(onnx_format, 'PACKAGES', ['no_such_package'])
    with pytest.raises(UserError, match=r'no_such_package is missing: run python -m pip install .*\[onnx\]'):
        export.main(['--model', 'dogs', '--format', 'onnx'])
