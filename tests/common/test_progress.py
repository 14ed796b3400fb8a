"""The lines that a command prints."""

from __future__ import annotations

import pytest

from src.common import columns, paths
from src.common.files import listed
from src.common.progress import progress, remark, say, wrote


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


def test_an_odd_path_is_told_on_one_line(capsys, tmp_path):
    wrote(tmp_path / 'odd\n\x1b.csv', 'id')
    assert capsys.readouterr().out.endswith('/odd\\n\\x1b.csv  id\n')


def test_names_of_files_do_not_control_the_terminal(capsys):
    say('skipped \x1b[31mred.jpg\r\x9b0m\n\tand 犬.jpg')
    remark('\x07 of a\nb.jpg')
    out, err = capsys.readouterr()
    assert out == 'skipped \\x1b[31mred.jpg\\r\\x9b0m\n\tand 犬.jpg\n' and err == '\\x07 of a\\nb.jpg\n'
    assert listed(['a\nb', 'c']) == 'a\\nb, c'
    with progress(1, 'unpacking \x1b[31mred.tar', 'B') as bar:
        assert '\x1b' not in str(bar)
