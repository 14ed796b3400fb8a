"""The benchmark of linear heads."""

from __future__ import annotations

import pytest

from benchmarks import linear


def test_lbfgs_and_peer_score_every_photo(clusters, capsys):
    pytest.importorskip('sklearn')
    linear.main(['--name', clusters, '--folds', '2'])
    head, ours, peer = capsys.readouterr().out.splitlines()[-3:]
    assert head.split() == ['examples', 'top-1', 'log', 'loss', 'time']
    assert ours.startswith('lbfgs') and peer.startswith('scikit-learn')
    for line in (ours, peer):
        assert line.split()[1] == '320' and float(line.split()[2].rstrip('%')) > 60
