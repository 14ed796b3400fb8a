"""The benchmark that compares heads on records of two precisions."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import precision
from src.common import files, paths
from src.common.errors import UserError
from src.data_preparation.conversion.job import MANIFEST

FLAGS = ['--layers', '16,4', '--learning-rate', '0.01', '--steps', '100', '--folds', '2']


@pytest.fixture
def copied(clusters):
    """The name of a copy of the data set."""
    folder = paths.records(clusters).with_name('copied')
    shutil.copytree(paths.records(clusters), folder)
    yield folder.name
    shutil.rmtree(folder)


def test_heads_of_both_records_are_scored_on_both(clusters, copied, capsys):
    precision.main([clusters, copied, *FLAGS])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-4:]]
    names = (clusters, copied)
    assert [(row[0], row[2]) for row in rows] == [(a, b) for a in names for b in names]
    assert len({tuple(row[3:]) for row in rows}) == 1  # the same vectors, so the same scores
    assert float(rows[0][3].rstrip('%')) > 50


def test_records_of_other_photos_are_refused(clusters, copied):
    path = paths.records(copied) / MANIFEST
    manifest = files.read_json(path)
    manifest['counts'] = manifest['counts'] | {'test': 39}
    files.write_json(path, manifest)
    with pytest.raises(UserError, match='not records of the same photos'):
        precision.main([clusters, copied, *FLAGS])
