"""Mutated graphs: each answers or is refused in one line; none ends or holds its process."""

from __future__ import annotations

import subprocess

import pytest

from benchmarks import mutated
from benchmarks.mutated import GOOD, outcomes, write
from benchmarks.mutated_bases import NAMES, base
from benchmarks.mutations import MUTATIONS
from benchmarks.mutations import mutated as mutated_bytes

STEPS = ('backbone', 'inference', 'classify', 'layers', 'network')
SMALL = tuple(name for name in NAMES if name != 'pocket')


def test_fifty_mutated_graphs_answer_or_are_refused_in_one_line():
    found = list(outcomes(range(50), SMALL))
    assert [(one.seed, one.step) for one in found] == [(seed, step) for seed in range(50) for step in STEPS]
    assert [one for one in found if one.kind not in GOOD] == []
    assert {one.kind for one in found} == set(GOOD)
    assert all(one.text and '\n' not in one.text for one in found if one.kind == 'refused')


def test_graphs_that_were_once_unexpected():
    """An image that no tensor depends on, a predicate of several values, and weights of another size than
    their shape."""
    found = list(outcomes([443, 706, 832, 971]))
    assert len(found) == 4 * len(STEPS)
    assert [one for one in found if one.kind not in GOOD] == []


def test_the_same_seed_gives_the_same_bytes_and_others_others():
    data = base('old')[0]
    first = [mutated_bytes(data, seed) for seed in range(30)]
    assert first == [mutated_bytes(data, seed) for seed in range(30)]
    assert len(set(first)) > 25
    assert len(MUTATIONS) > 15


def test_a_process_that_ends_is_seen_and_the_next_graph_is_tried(monkeypatch):
    code = (
        'import json, os, sys; seeds = json.loads(sys.argv[1])[0]; seed = seeds[0]\n'
        'print(json.dumps([seed, "classify", "tries"]), flush=True)\n'
        'os.abort() if seed == 1 else print(json.dumps([seed, "classify", "answers", ""]), flush=True)\n'
    )
    run = subprocess.Popen

    def fake(command, **options):
        return run([command[0], '-c', code, command[-1]], **options)

    monkeypatch.setattr(mutated.subprocess, 'Popen', fake)
    found = [(one.seed, one.kind) for one in outcomes(range(3))]
    assert found == [(0, 'answers'), (1, 'abort'), (2, 'answers')]


def test_a_graph_is_written_with_its_labels(tmp_path):
    path = write(4, tmp_path, SMALL)
    assert path.read_bytes() == mutated_bytes(base(SMALL[4 % len(SMALL)])[0], 4)
    assert path.with_suffix('.txt').read_text().split() == list('abcde')


@pytest.mark.parametrize('name', NAMES)
def test_the_graphs_answer_before_they_are_mutated(name, tmp_path):
    from benchmarks.mutated_child import ended, steps

    data, bottleneck, labels = base(name)
    path = tmp_path / 'graph.pb'
    path.write_bytes(data)
    path.with_suffix('.txt').write_text(labels) if labels else None
    found = {step: ended(run)[0] for step, run in steps(path, bottleneck).items()}
    training = name == 'training'
    assert found == {
        'backbone': 'refused' if training else 'answers',
        'inference': 'answers' if training else 'refused',
        'classify': 'answers',
        'layers': 'answers',
        'network': 'answers',
    }
