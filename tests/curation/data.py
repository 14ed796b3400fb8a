"""Data sets of drawn pictures, converted without a backbone: the bottlenecks are made up."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from src.common import files, paths
from src.data_preparation.conversion.job import MANIFEST
from src.records.example import build_example, shard_name, write_shard

WIDTH = 12


def scene(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """A picture with much detail: ellipses of random colors, different for each seed."""
    from PIL import ImageDraw

    random = np.random.default_rng(seed)
    image = Image.new('RGB', (width, height), tuple(random.integers(60, 200, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = random.integers(0, width), random.integers(0, height)
        a, b = random.integers(3, width // 6, 2)
        draw.ellipse((x - a, y - b, x + a, y + b), fill=tuple(random.integers(0, 255, 3).tolist()))
    return image


def jpeg(image: Image.Image, quality: int = 92) -> bytes:
    stream = io.BytesIO()
    image.save(stream, 'JPEG', quality=quality)
    return stream.getvalue()


def bottleneck(label: int, seed: int, spread: float = 0.3) -> np.ndarray:
    """A bottleneck near the center of a class."""
    center = np.random.default_rng(1000 + label).normal(0, 1, WIDTH)
    return (center + np.random.default_rng(seed).normal(0, spread, WIDTH)).astype(np.float32)


def write_data_set(
    name: str, classes: Sequence[str], rows: Sequence[tuple], bottlenecks: bool = True, **manifest
) -> None:
    """Write records. `rows`: (id, split, class name or None, encoded picture, bottleneck)."""
    folder = paths.records(name)
    folder.mkdir(parents=True, exist_ok=True)
    shards, counts = [], {}
    for split in dict.fromkeys(row[1] for row in rows):
        of = [row for row in rows if row[1] == split]
        shards.append(shard_name(split, 0, 1))
        counts[split] = len(of)
        examples = [
            build_example(id_, picture, vector if bottlenecks else None, label, classes)
            for id_, _, label, picture, vector in of
        ]
        write_shard(folder / shards[-1], examples)
    backbone = {'file': 'none.pb', 'sha256': '00', 'bottleneck': 'pool_3:0', 'width': WIDTH}
    facts = {
        'name': name,
        'classes': list(classes),
        'backbone': backbone if bottlenecks else None,
        'precision': 'float32' if bottlenecks else None,
        'counts': counts,
        'untrained': [],
        'shards': shards,
        'fingerprint': 'f',
        'complete': True,
    }
    files.write_json(folder / MANIFEST, facts | manifest)
