"""The child process of `benchmarks.mutated`: loads graphs, and writes a line before and after each step."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.mutated_bases import base
from src.analysis.layer_table import rows_of_graph
from src.common import errors
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.backbone_flags import Changes
from src.graph.backbones import load_tried
from src.graph.checks.accepted import faults_named
from src.graph.frozen import load_network
from src.graph.gradients.imported import feature_maps, import_network
from src.images.decode import encode_jpeg
from src.inference.predictor import load_model

MEMORY = 8 << 30  # bytes of address space, so that a large shape does not take the machine's memory


def steps(path: Path, bottleneck: str) -> dict[str, Callable[[], object]]:
    """What is tried with a graph, by name."""
    return {
        'backbone': partial(load_tried, path, bottleneck),
        'inference': partial(load_tried, path, bottleneck, None, Changes(inference_mode=True)),
        'classify': partial(_classify, path),
        'layers': partial(rows_of_graph, path),
        'network': partial(_look_inside, path),
    }


def ended(step: Callable[[], object]) -> tuple[str, str]:
    """How a step ended, and what was said."""
    try:
        step()
    except UserError as error:
        return ('refused' if '\n' not in str(error) else 'unexpected'), str(error)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f'{Path(f.filename).name}:{f.lineno}' for f in frames if '/src/' in f.filename]
        return 'unexpected', f'{type(error).__name__}: {errors.first_line(error)} at {" ".join(ours[-4:])}'
    return 'answers', ''


def _classify(path: Path) -> None:
    predictor = load_model(path)
    try:
        picture = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        for answer in predictor.from_pictures([encode_jpeg(picture)] * 2):
            if isinstance(answer, Exception):
                raise UserError(str(answer))
    finally:
        predictor.close()


def _look_inside(path: Path) -> None:
    """As the commands of `interpret` do: all layers of the network, and its output."""
    model = load_network(path)
    with tf.Graph().as_default(), tf.Session() as session:
        layer = import_network(model)
        pixels, output = layer(model.preprocessing.pixels), layer(model.output)
        height, width = model.preprocessing.height, model.preprocessing.width
        with faults_named(path):
            session.run([output, *feature_maps(pixels, output)], {pixels: np.zeros((1, height, width, 3))})


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def main(argv: list[str] | None = None) -> None:
    from benchmarks.mutated import write

    seeds, names = json.loads((argv or sys.argv[1:])[0])
    _limit_memory()
    with TemporaryDirectory() as folder:
        for seed in seeds:
            path = write(seed, Path(folder), names)
            for name, step in steps(path, base(names[seed % len(names)])[1]).items():
                print(json.dumps([seed, name, 'tries']), flush=True)
                kind, text = ended(step)
                print(json.dumps([seed, name, kind, text]), flush=True)
            for file in Path(folder).iterdir():
                file.unlink()


if __name__ == '__main__':
    errors.run(main)
