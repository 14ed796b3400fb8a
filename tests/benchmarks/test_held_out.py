"""The benchmark that scores a head on photos that it was not trained on."""

from __future__ import annotations

import numpy as np

from benchmarks import held_out
from src.records.dataset import load, open_records


def test_folds_score_each_test_photo_once_with_a_head_that_was_not_trained_on_it(clusters):
    records = open_records(clusters)
    examples = {split: load(records, split) for split in records.counts}
    tasks = held_out.tasks(examples, 3)
    tested = [id_ for task in tasks for id_ in task['test'].ids]
    assert sorted(tested) == sorted(examples['test'].ids)
    everything = {id_ for part in examples.values() for id_ in part.ids}
    for task in tasks:
        assert set(task['train'].ids) == everything - set(task['test'].ids)
        for part in task.values():
            where = [examples[id_.split('/')[0]].ids.index(id_) for id_ in part.ids]
            wanted = [examples[id_.split('/')[0]].labels[i] for id_, i in zip(part.ids, where, strict=True)]
            np.testing.assert_array_equal(part.labels, wanted)


def test_head_and_peer_are_scored_on_the_same_photos(clusters, capsys):
    flags = ['--layers', '16,4', '--learning-rate', '0.01', '--steps', '200', '--dropout', '0']
    for folds in ([], ['--folds', '2']):
        held_out.main(['--name', clusters, *flags, *folds])
        columns, head, peer = capsys.readouterr().out.splitlines()[1:4]
        assert columns.split()[:2] == ['examples', 'top-1']
        assert head.startswith('head ') and peer.startswith('sklearn ')
        scores = [float(line.split()[2].rstrip('%')) for line in (head, peer)]
        assert abs(scores[0] - scores[1]) < 15  # both are linear classifiers of the same vectors
