"""The columns of printed tables are aligned, whatever script names are in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from src.analysis import compare_runs, layer_table, report
from src.common.columns import width
from src.graph.layer_list import Row
from src.inference.printers import Table

NAMES = ['dog', '柴犬', 'e\u0301pagneul', '🐶🐶', 'कुत्ता']


def of_classify(capsys):
    Table(NAMES, 5).show('picture', np.full(5, 0.2))
    return capsys.readouterr().out.splitlines()[1:]


def of_runs(capsys):
    row = dict.fromkeys(compare_runs.COLUMNS, 0.5) | {
        'data_set': 'animals',
        'backbone': 'a',
        'recipe': 'head',
    }
    rows = [row | {'model': name, 'recipe': f'head {number}'} for number, name in enumerate(NAMES)]
    return [line for line in compare_runs.printed(pd.DataFrame(rows)) if 'head ' in line]


def of_layers(capsys):
    return layer_table.table([Row(name, (3,), 5) for name in NAMES])[1:-1]


def of_analysis(capsys):
    return report._aligned(pd.DataFrame({'class': NAMES, 'photos': 12, 'f1': 0.5}))


@pytest.mark.parametrize('table', [of_classify, of_runs, of_layers, of_analysis])
def test_columns_are_aligned(table, capsys):
    lines = table(capsys)
    assert len(lines) >= len(NAMES)
    assert len({width(line) for line in lines}) == 1
