from __future__ import annotations

from src.common import paths


def test_a_path_is_shown_as_people_would_type_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'link.jpg').symlink_to('photos/target.jpg')
    assert paths.shown(tmp_path / 'photos' / 'a.jpg') == 'photos/a.jpg'
    assert paths.shown('photos/../link.jpg') == 'link.jpg'
    assert paths.shown('/elsewhere/a.jpg') == '/elsewhere/a.jpg'
