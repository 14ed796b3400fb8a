"""Fixture of the tests that unpack archives."""

from __future__ import annotations

import pytest


@pytest.fixture
def goal(tmp_path):
    """A folder with one file, to unpack into."""
    folder = tmp_path / 'goal'
    folder.mkdir()
    (folder / 'mine').write_text('kept')
    return folder
