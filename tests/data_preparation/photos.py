"""Small photo files for the tests of the converters."""

from __future__ import annotations

import os
from pathlib import Path

from src.common import paths
from tests.pictures import encoded, photo

POCKET = ['--backbone', str(paths.POCKET_GRAPH_DEF)]


def put(path: str | bytes | Path, seed: int) -> Path:
    """Write the JPEG of a seed, and its folders. Returns its path."""
    path = Path(os.fsdecode(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(photo(seed=seed), 'JPEG', quality=90))
    return path


def put_classes(folder: Path, classes: dict[str, int], first: int = 0) -> Path:
    """Write so many photos of each class, all different, with seeds from `first` on. Returns `folder`."""
    for name, number in classes.items():
        for place in range(number):
            put(folder / name / f'{place}.jpg', first + place)
        first += number
    return folder
