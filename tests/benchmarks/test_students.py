"""The benchmark of the students of distillation."""

from __future__ import annotations

import json

import pytest

from benchmarks import students
from src.common.errors import UserError

pytest.importorskip('ai_edge_litert')


def test_it_measures_size_and_speed(tmp_path, capsys):
    out = tmp_path / 'students.json'
    students.main(['resnet_tiny', '--side', '16', '--rounds', '1', '--json', str(out)])
    found = json.loads(out.read_text())['resnet_tiny']
    assert 2 * found['weights'] < found['pb_bytes'] < 2.1 * found['weights']
    assert found['weights'] < found['int8_bytes'] < 1.2 * found['weights']
    # Each weight of the first stage, 48 * 48 * 9 * 3 of them, is used at 4 x 4 places.
    assert found['multiplications'] > 16 * 3 * 48 * 48 * 9
    assert min(found['training_per_second'], found['int8_ms']) > 0
    assert 'resnet_tiny' in capsys.readouterr().out


def test_an_unknown_student_is_refused():
    with pytest.raises(UserError, match="unknown student 'resnet_tin'"):
        students.main(['resnet_tin'])
