"""Records to train on without photos: bottlenecks drawn around one center for each class."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import files, paths
from src.data_preparation.conversion.job import MANIFEST
from src.records.example import build_example, shard_name, write_shard

CLASSES = ['ash', 'birch', 'cedar', 'durian']
WIDTH = 16
COUNTS = {'train': 240, 'validation': 40, 'test': 40}
SHARD = 50  # records in a file


@pytest.fixture(scope='module')
def clusters() -> str:
    """Write records of four classes that overlap a little. Returns the name of the data set."""
    random = np.random.default_rng(5)
    centers = random.normal(0, 1, (len(CLASSES), WIDTH))
    folder = paths.records('clusters')
    folder.mkdir(parents=True)
    shards = []
    for split, number in COUNTS.items():
        places = random.integers(0, len(CLASSES), number)
        vectors = (centers[places] + random.normal(0, 1.3, (number, WIDTH))).astype(np.float32)
        examples = [
            build_example(f'{split}/{i}', b'', vector, CLASSES[place], CLASSES)
            for i, (vector, place) in enumerate(zip(vectors, places, strict=True))
        ]
        total = -(-number // SHARD)
        for index in range(total):
            shards.append(shard_name(split, index, total))
            write_shard(folder / shards[-1], examples[index * SHARD : (index + 1) * SHARD])
    manifest = {
        'name': 'clusters',
        'classes': CLASSES,
        'backbone': {'file': 'none.pb', 'sha256': '00', 'bottleneck': 'pool_3:0', 'width': WIDTH},
        'precision': 'float32',
        'counts': COUNTS,
        'untrained': [],
        'shards': shards,
        'fingerprint': 'f',
        'complete': True,
    }
    files.write_json(folder / MANIFEST, manifest)
    return 'clusters'
