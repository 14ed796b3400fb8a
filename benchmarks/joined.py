"""Several backbones in one pass over the photos, compared with one pass for each.

One pass reads and decodes each photo once, so it should take the sum of the single times less all decodings
but one. `measure` times the pass, each backbone alone, and decoding alone, all in turn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.contender import Contender
from benchmarks.machine import rounds
from benchmarks.ways import planned
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation.conversion.bottlenecks import Extractor, extract
from src.graph.backbones import load_backbone
from src.graph.graph_io import subgraph
from src.graph.joined.join import join_backbones

TOGETHER, DECODING = 'all in one pass', 'reading and decoding'
COLUMNS = ('', 'best time', 'images/s', 'max abs difference')


def extraction(photos: Sequence[Path], backbones: Sequence[Path], precision: str) -> Callable[[], np.ndarray]:
    """The extraction of a conversion: the bottlenecks [N, width] of all backbones."""
    extractor = Extractor(join_backbones([load_backbone(path) for path in backbones]), precision)
    items = [planned(photo) for photo in photos]
    return lambda: np.stack([vector for _, _, vector in extract(items, extractor)])


def decoding(photos: Sequence[Path], backbone: Path) -> Callable[[], None]:
    """Reading files and decoding them as the graph does, in as many threads as a conversion."""
    loaded = load_backbone(backbone)
    p = loaded.preprocessing
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(subgraph(loaded.graph_def, [p.decoded]), name='')
    decode = tf.Session(graph=graph).make_callable(p.decoded, [p.image])
    pool = ThreadPoolExecutor(os.cpu_count())

    def run() -> None:
        for _ in pool.map(lambda photo: decode(photo.read_bytes()).shape, photos):
            pass

    return run


def measure(photos: Sequence[Path], backbones: Sequence[Path], precision: str, number: int) -> dict:
    """Time `number` rounds. Returns a dict for JSON: the best seconds of each contender, the largest absolute
    difference of its bottlenecks from those of the pass over all, and `ratio`: the time of that pass divided
    by the sum of the single times less all decodings but one. Raises UserError when a contender fails."""
    with ExitStack() as running:
        made = {TOGETHER: Contender(extraction, photos, backbones, precision)}
        made |= {path.stem: Contender(extraction, photos, [path], precision) for path in backbones}
        made[DECODING] = Contender(decoding, photos, backbones[0])
        for contender in made.values():
            running.enter_context(contender)
            if contender.missing:
                raise UserError(f'a contender failed: {contender.missing}')
        seconds = {name: min(times) for name, times in rounds(made, number).items()}
        singles = [path.stem for path in backbones]
        ends = np.cumsum([made[name].result.shape[1] for name in singles])
        parts = np.split(made[TOGETHER].result, ends[:-1], axis=1)
        difference = {
            name: float(np.abs(part - made[name].result).max())
            for name, part in zip(singles, parts, strict=True)
        }
    alone = sum(seconds[name] for name in singles)
    target = alone - (len(backbones) - 1) * seconds[DECODING]
    rows = [
        {
            'name': name,
            'seconds': best,
            'images_per_second': len(photos) / best,
            'difference': difference.get(name),
        }
        for name, best in seconds.items()
    ]
    return {
        'images': len(photos), 'rounds': number, 'precision': precision, 'rows': rows,
        'ratio': seconds[TOGETHER] / target,
    }  # fmt: skip


def cells(row: dict) -> list[str]:
    """The cells of COLUMNS."""
    difference = '' if row['difference'] is None else f'{row["difference"]:.1e}'
    return [row['name'], f'{row["seconds"]:.2f} s', f'{row["images_per_second"]:.1f}', difference]
