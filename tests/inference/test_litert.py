"""LiteRT gives the answers of TensorFlow, and says what it cannot do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from src.common import paths
from src.common.errors import UserError
from src.graph.lite.package import read_package, write_package
from src.images.faults import BadImage
from src.inference.predictor import load_model
from src.inference.runtimes.base import BATCH
from tests.inference.models import SIDES, bright_above, brightest_side
from tests.lite import tflite_of
from tests.pictures import encoded, photo

pytest.importorskip('ai_edge_litert')


@pytest.fixture(scope='module')
def graph(tmp_path_factory) -> Path:
    return brightest_side(tmp_path_factory.mktemp('models') / 'side.pb')


@pytest.fixture(scope='module')
def lite(graph) -> Path:
    return tflite_of(graph, graph.with_suffix('.tflite'))


@pytest.fixture(scope='module')
def both(graph, lite):
    models = load_model(graph), load_model(lite)
    yield models
    for model in models:
        model.close()


def repackaged(lite: Path, path: Path, labels=None, **changes) -> Path:
    """The same model with other facts; a fact that is None is left out."""
    package = read_package(lite)
    info = {key: value for key, value in (package.info | changes).items() if value is not None}
    model = lite.read_bytes()
    model = model[: model.index(b'PK\x03\x04')]  # without the zip behind it
    return write_package(path, model, package.labels if labels is None else labels, info)


def test_the_same_answers(both):
    tensorflow, litert = both
    assert litert.labels == tensorflow.labels == SIDES
    assert litert.reader.shape == tensorflow.reader.shape
    pictures = [encoded(photo(60, 50, seed=n), ('PNG', 'JPEG')[n % 2]) for n in range(5)]
    pictures.insert(2, b'no picture')
    for left, right in zip(tensorflow.from_pictures(pictures), litert.from_pictures(pictures), strict=True):
        if isinstance(left, BadImage):
            assert str(left) == str(right)
        else:
            np.testing.assert_allclose(left, right, atol=1e-6)
    pixels = np.random.default_rng(3).uniform(0, 255, (7, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(litert.from_pixels(pixels), tensorflow.from_pixels(pixels), atol=1e-6)
    mixed = [pictures[0], pixels[1], pictures[2], pixels[0], pictures[1]]
    answers = litert.from_mixed(mixed)
    assert isinstance(answers[2], BadImage)
    for answer, row in zip(answers, mixed, strict=True):
        if not isinstance(answer, BadImage):
            expected = litert.from_pixels(
                (row if isinstance(row, np.ndarray) else litert.reader.read(row))[None]
            )
            np.testing.assert_array_equal(answer, expected[0])


def test_few_or_no_pictures(both):
    litert = both[1]
    assert litert.from_pixels(np.empty((0, 8, 8, 3), np.float32)).shape == (0, 4)
    assert litert.from_mixed([]) == [] and list(litert.from_pictures([])) == []
    (answer,) = litert.from_mixed([encoded(bright_above(), 'PNG')])
    assert SIDES[answer.argmax()] == 'top'


def test_many_threads_at_once(both):
    litert = both[1]
    pictures = [encoded(photo(seed=n), 'JPEG') for n in range(12)]
    wanted = list(litert.from_pictures(pictures))
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: litert.from_mixed(pictures), range(8)):
            np.testing.assert_array_equal(got, wanted)


def test_pictures_are_read_at_most_one_batch_ahead(both):
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield encoded(bright_above(), 'PNG')

    answers = both[1].from_pictures(endless())
    next(answers)
    assert len(asked) == BATCH
    answers.close()


def test_what_only_tensorflow_does(both, lite):
    litert = both[1]
    with pytest.raises(UserError, match=r'side\.tflite takes pixels, not bottlenecks: use .*side\.pb$'):
        litert.from_bottlenecks(np.zeros((1, 4), np.float32))
    with pytest.raises(UserError, match=r'--views 2 is for frozen graphs: leave it out, or use .*side\.pb$'):
        load_model(lite, views=2)


def test_grad_cam_is_that_of_the_frozen_graph_beside_the_file(lite, tmp_path):
    maps, best, picture = [], None, encoded(photo(3), 'PNG')
    for path in paths.POCKET_DOGS, paths.POCKET_DOGS.with_suffix('.tflite'):
        predictor = load_model(path)
        assert predictor.has_gradients
        pixels = predictor.reader.read(picture)
        if best is None:
            best = int(predictor.from_pixels(pixels[None]).argmax())
        maps.append(predictor.grad_cam(pixels, best))
        predictor.close()
    assert maps[0].any() and np.array_equal(*maps)
    for beside in (None, b'another graph'):
        alone = tmp_path / 'alone.tflite'
        alone.write_bytes(lite.read_bytes())
        if beside:
            alone.with_suffix('.pb').write_bytes(beside)
        predictor = load_model(alone)
        assert not predictor.has_gradients
        with pytest.raises(UserError, match=r'has no gradients, .* put the frozen graph .*alone\.pb$'):
            predictor.grad_cam(np.zeros((8, 8, 3), np.float32), 0)
        predictor.close()


def test_files_that_do_not_fit(lite, tmp_path):
    with pytest.raises(UserError, match=r'a\.tflite contains no labels: put .*a\.txt beside it'):
        load_model(repackaged(lite, tmp_path / 'a.tflite', labels=[]))
    with pytest.raises(UserError, match=r'b\.tflite has 4 classes but 3 labels'):
        load_model(repackaged(lite, tmp_path / 'b.tflite', labels=SIDES[:3]))
    facts = read_package(lite).info['preprocessing']
    facts |= {'height': 9, 'pictures': [facts['pictures'][0] | {'height': 9}]}
    unknown = {'height': 8, 'width': 8, 'pictures': [{'height': 8, 'width': 8, 'scalable': False}]}
    for steps, words in ([{'op': 'Warp'}], 'the step Warp'), ([], 'not one step that resizes'), (3, 'not'):
        unknown['pictures'][0]['steps'] = steps
        with pytest.raises(UserError, match=f'holds a preprocessing that is not known here: .*{words}'):
            load_model(repackaged(lite, tmp_path / 'd.tflite', preprocessing=unknown))
    with pytest.raises(UserError, match=r'c\.tflite is damaged: its model takes pixels \(8, 8, 3\)'):
        load_model(repackaged(lite, tmp_path / 'c.tflite', preprocessing=facts))


def test_the_shipped_model_on_pictures_that_decode_alike(tmp_path):
    lite = tflite_of(paths.POCKET_DOGS, tmp_path / 'dogs.tflite')
    pictures = [encoded(photo(300, 260, seed=n), 'PNG') for n in range(8)]
    tensorflow, litert = load_model(paths.POCKET_DOGS), load_model(lite)
    expected = np.stack(list(tensorflow.from_pictures(pictures)))
    np.testing.assert_allclose(np.stack(list(litert.from_pictures(pictures))), expected, atol=1e-5)
    litert.close()
