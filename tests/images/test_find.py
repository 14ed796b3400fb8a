"""Finding the pictures that paths, folders and globs name."""

from __future__ import annotations

import os

from src.images.find import find_pictures
from tests.pictures import encoded, photo


def test_names_folders_and_globs(tmp_path):
    for name in ('a.jpg', 'b[1].jpg', 'deep/er/c.png', 'deep/d', '.hidden/e.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(photo()))
    (tmp_path / 'deep' / 'notes').write_text('no picture')

    def named(*names: str) -> tuple[list[str], list[str]]:
        found = find_pictures([str(tmp_path / name) for name in names])
        return tuple([os.path.relpath(path, tmp_path) for path in part] for part in found)

    everything = ['a.jpg', 'b[1].jpg', 'deep/d', 'deep/er/c.png']
    assert named('') == (everything, ['deep/notes'])
    assert named('*') == (everything, ['deep/notes'])
    assert named('**') == (everything, ['deep/notes'])
    assert named('**/er') == (['deep/er/c.png'], [])
    assert named('**/*.png', 'b[1].jpg', 'a.jpg', '*.jpg') == (['deep/er/c.png', 'b[1].jpg', 'a.jpg'], [])
    assert named('.hidden/*') == (['.hidden/e.jpg'], [])
    assert named('*/notes') == (['deep/notes'], [])  # the only match is taken
    assert named('gone.jpg', 'none*.jpg', 'none/**/x') == (['gone.jpg', 'none*.jpg', 'none/**/x'], [])
