"""The benchmark that compares training a head with the tutorial's schedule and scikit-learn."""

from __future__ import annotations

import json

import pytest

from benchmarks import head as benchmark

FLAGS = ['--layers', '16,4', '--learning-rate', '0.01', '--steps', '200', '--dropout', '0', '--rounds', '2']


@pytest.fixture
def short(monkeypatch):
    """Let the tutorial take fewer steps."""
    monkeypatch.setattr(benchmark, 'TUTORIAL_STEPS', 400)
    monkeypatch.setattr(benchmark, 'MEASURED_STEPS', 4)


def test_every_contender_learns_and_is_timed_in_every_round(clusters, capsys, short):
    benchmark.main(['--name', clusters, *FLAGS, '--json'])
    results = json.loads(capsys.readouterr().out)
    assert results['machine']['versions'].keys() >= {'python', 'tensorflow', 'scikit-learn'}
    rows = {row['contender']: row for row in results['rows']}
    assert len(rows) == 4
    for row in rows.values():
        assert row['examples'] == 40
        assert row['top_1'] > 0.6  # chance: 0.25
        assert len(row['rounds']) == 2
        assert min(row['rounds']) <= row['seconds'] <= max(row['rounds'])


def test_the_output_names_the_scaled_steps(clusters, capsys, short):
    benchmark.main(['--name', clusters, *FLAGS])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == 'tutorial: 400 steps, scaled from 4 in each of 2 rounds'
    columns = [line for line in lines if ' s ' in line]
    assert len(columns) == 4 and len({len(line) for line in columns}) == 1
