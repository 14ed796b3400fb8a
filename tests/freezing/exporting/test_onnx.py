"""Frozen models as ONNX: what is refused."""

from __future__ import annotations

import pytest

from src.common.errors import UserError
from src.common.tf1 import tf
from src.freezing import export
from src.freezing.exporting import onnx_format
from tests.freezing.exporting.test_export import with_last_op

needed = pytest.mark.skipif(
    bool(export.errors.missing_packages(*onnx_format.PACKAGES)), reason='needs tf2onnx and onnxruntime'
)


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
