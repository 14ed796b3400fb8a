"""The script that prints README's table "Measured"."""

from __future__ import annotations

import re
from dataclasses import replace

from benchmarks import measured
from src.common import paths
from src.records.dataset import open_records
from tests.pictures import encoded, photo

README = (paths.CHECKOUT / 'README.md').read_text(encoding='utf-8')


def test_its_rows_are_those_of_the_readme():
    table = README[README.index(measured.HEADER) :].partition('\n\n')[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in table]
    assert [(row[0], row[2]) for row in cells] == [(row.name, row.head) for row in measured.ROWS]
    for row, listed in zip(measured.ROWS, cells, strict=True):
        assert (f'({row.folds} folds)' in listed[1]) == bool(row.folds)
        assert re.findall(r'`(--[^`]*)`', listed[2]) == ([row.flags] if row.flags else [])


def test_it_converts_trains_and_prints_markdown(tmp_path, monkeypatch, capsys):
    folder = tmp_path / 'Images'
    for place, name in enumerate(('ash', 'birch')):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            picture = photo(64, 64, seed=number) // (1 + place)
            (folder / name / f'{number}.png').write_bytes(encoded(picture, 'PNG'))
    listed = tmp_path / 'unseen.txt'
    listed.write_text('\n'.join(f'Images/{name}/{n}.png' for name in ('ash', 'birch') for n in range(6)))
    by_hash, by_list, _ = measured.ROWS
    flags = '--steps 30 --layers 512,2 --patience 0'
    rows = (replace(by_hash, flags=flags, head=f'`{flags}`'), replace(by_list, flags=flags, folds=3))
    monkeypatch.setattr(measured, 'ROWS', rows)
    measured.main([str(folder), '--backbone', str(paths.POCKET_GRAPH_DEF), '--test-list', str(listed)])
    first, second = capsys.readouterr().out.splitlines()[-2:]
    figures = r'\d+\.\d % \(\d+\.\d\) \| – \| \d\.\d{3} \(\d\.\d{3}\) \|'
    number = open_records('measured_pocket_hash').counts['test']
    tested = rf'{number} \(hash split\)'
    assert re.fullmatch(rf'\| {by_hash.name} \| {tested} \| `{flags}` \| {figures}', first), first
    assert re.fullmatch(rf'\| {by_list.name} \| 12 \(3 folds\) \| .* \| {figures}', second), second
