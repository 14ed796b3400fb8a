"""The lines that a command prints."""

from __future__ import annotations

import pytest

from src.common import columns, paths
from src.common.progress import wrote


@pytest.mark.parametrize('model', ['small', 'a_model_with_a_very_long_name_indeed_for_a_column', '犬' * 30])
def test_the_files_of_a_list_are_told_in_columns(model, capsys, monkeypatch):
    monkeypatch.chdir(paths.ROOT)
    listed = [paths.checkpoints(model), paths.scores(model)]
    for path in listed:
        wrote(path, '| what it is', listed)
    lines = capsys.readouterr().out.splitlines()
    places = {columns.width(line.partition('|')[0]) for line in lines}
    assert len(places) == 1
    assert model != 'small' or places == {2 + 43 + 2}
