"""The .tflite model that ships: made of the .pb that ships, by the command, without traces of a machine."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from src.common import files, paths
from src.graph.lite.interpreters import Interpreters
from src.graph.lite.package import read_package
from src.inference.predictor import load_model

pytest.importorskip('ai_edge_litert')
LITE = paths.POCKET_DOGS.with_suffix('.tflite')
EXAMPLES = paths.CHECKOUT / 'src' / 'inference' / 'server' / 'page' / 'examples'
MOST_LOST = 0.003  # top-1


@pytest.fixture(scope='module')
def predictor():
    return load_model(paths.POCKET_DOGS)


def test_it_was_made_of_the_frozen_graph_that_ships(predictor):
    package = read_package(LITE)
    lite = package.info['lite']
    assert lite['graph_sha256'] == files.sha256(paths.POCKET_DOGS) and lite['precision'] == 'int8'
    assert package.labels == predictor.labels
    assert predictor.info.items() <= package.info.items()
    assert lite['calibration'] == {'photos': 100, 'of': 'pocket_unseen'}
    scores = lite['agreement']['top_1']
    assert scores['graph'] - scores['exported'] <= MOST_LOST
    assert LITE.stat().st_size < 2_400_000
    text = json.dumps(package.info)
    assert '/tmp' not in text and '/home' not in text and '/work' not in text


def test_it_names_the_examples_as_the_graph_does(predictor):
    pixels = np.stack([predictor.reader.read(file.read_bytes()) for file in sorted(EXAMPLES.glob('*.jpg'))])
    given, expected = Interpreters(LITE).run(pixels), predictor.from_pixels(pixels)
    assert len(pixels) > 3 and np.abs(given - expected).max() < 0.1
    assert np.abs(given.sum(1) - 1).max() < 1e-5


@pytest.mark.slow
def test_it_loses_little_on_photos_that_the_backbone_has_not_seen(predictor, real_data: Path):
    wanted = (real_data / 'backbones' / 'pocket_96_unseen.txt').read_text().split()
    places = {label.replace(' ', '_').lower(): place for place, label in enumerate(predictor.labels)}
    pixels, labels = [], []
    with tarfile.open(real_data / 'stanford_dogs' / 'images.tar') as archive:
        for name in wanted:
            pixels.append(predictor.reader.read(archive.extractfile(name).read()))
            labels.append(places[name.split('/')[1].partition('-')[2].lower()])
    pixels, labels = np.stack(pixels), np.array(labels)
    expected = np.concatenate([predictor.from_pixels(part) for part in np.array_split(pixels, 40)])
    given = Interpreters(LITE).run(pixels)
    assert (given.argmax(1) == expected.argmax(1)).mean() > 0.98
    right = [(one.argmax(1) == labels).mean() for one in (expected, given)]
    assert right[0] > 0.7 and right[0] - right[1] <= MOST_LOST
