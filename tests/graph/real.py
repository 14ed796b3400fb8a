"""Photos from the folder with real data (see the fixture `real_data`)."""

from __future__ import annotations

import zipfile
from pathlib import Path


def dogs_and_cats(real_data: Path, number: int) -> dict[str, bytes]:
    """`number` photos of many sizes, evenly spread over the data set, by name."""
    with zipfile.ZipFile(real_data / 'dogs_vs_cats' / 'train.zip') as archive:
        names = sorted(name for name in archive.namelist() if name.endswith('.jpg'))
        return {Path(name).name: archive.read(name) for name in names[:: len(names) // number][:number]}
