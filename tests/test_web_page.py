"""docs/web: a .tflite model in a browser gives the answers that it gives in Python.

`LITERT_JS_DIR` names the folder `node_modules` that `npm install` in docs/web makes. Without it the tests
that run a network are skipped; those of decoding, resizing and reading the facts still run.
"""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.common import paths
from src.common.tf1 import tf
from src.drawn_dogs.draw import draw_sample
from src.graph.frozen import load_graph
from src.graph.lite.convert import convert
from src.graph.lite.interpreters import Interpreters, installed
from src.graph.lite.package import read_package, write_package
from src.graph.lite.steps import KEY, steps_of
from src.graph.weights import put_weights
from src.images.decode import decode_with_pillow
from src.images.reader import ImageReader
from tests.browser import browser  # noqa: F401  (a fixture)
from tests.pictures import encoded, exif, photo

PAGE = paths.CHECKOUT / 'docs' / 'web'
LIBRARY = os.environ.get('LITERT_JS_DIR', '')

# Functions in JavaScript that the page runs on files of the server.
PIXELS = """async ([name, steps]) => {
    const {decode, preprocess} = await import('/preprocessing.js');
    const pixels = preprocess(await decode(await (await fetch(name)).blob()), steps);
    return Array.from(pixels);
}"""
FACTS = """async (name) => {
    const {readFacts} = await import('/facts.js');
    return readFacts(new Uint8Array(await (await fetch(name)).arrayBuffer()));
}"""
ANSWERS = """async ([model, names]) => {
    const {openClassifier} = await import('/classifier.js');
    const classifier = await openClassifier(model), answers = [];
    for (const name of names) answers.push(await classifier.classify(await (await fetch(name)).blob()));
    return answers;
}"""


@pytest.fixture(scope='module')
def served(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The address of the page, and a folder whose files are served below /files/."""
    folder = tmp_path_factory.mktemp('served')

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            first, _, rest = path.partition('?')[0].lstrip('/').partition('/')
            root = {'files': folder, 'node_modules': Path(LIBRARY or 'none')}.get(first)
            return str(root / rest if root else PAGE / (first or 'index.html'))

        def end_headers(self) -> None:
            self.send_header('Cache-Control', 'no-store')  # tests write other files under the same name
            super().end_headers()

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}', folder
    server.shutdown()
    server.server_close()


@pytest.fixture(scope='module')
def page(browser, served):  # noqa: F811
    """The page, opened without a model: its modules are called by the tests."""
    opened = browser.new_page()
    opened.set_default_timeout(120_000)
    opened.goto(f'{served[0]}/?model=/files/none.tflite')
    return opened


def preprocessing(op: str, facts: dict, size: tuple[int, int], values: tuple) -> dict:
    steps = [{'op': op, **facts}, {'op': 'Sub', 'value': values}, {'op': 'Mul', 'value': 1 / 128}]
    return {'pictures': [{'height': size[0], 'width': size[1], 'steps': steps}]}


@pytest.mark.parametrize(
    'op, facts',
    [
        ('ScaleAndTranslate', {'kernel_type': 'triangle', 'antialias': True}),
        ('ScaleAndTranslate', {'kernel_type': 'triangle', 'antialias': False}),
        ('ResizeBilinear', {'align_corners': False, 'half_pixel_centers': False}),
        ('ResizeBilinear', {'align_corners': True, 'half_pixel_centers': False}),
        ('ResizeBilinear', {'align_corners': False, 'half_pixel_centers': True}),
    ],
    ids=str,
)
@pytest.mark.parametrize('width, height', [(301, 223), (50, 40), (7, 400), (48, 64), (1, 1)])
def test_pictures_are_resized_as_by_tensorflow(page, served, op, facts, width, height):
    picture, size, means = photo(width, height), (48, 64), [103.5, 116.25, 123.0]
    (served[1] / 'picture.png').write_bytes(encoded(picture, 'PNG'))
    found = page.evaluate(PIXELS, ['/files/picture.png', preprocessing(op, facts, size, means)])
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.constant(picture[None], tf.float32)
        if op == 'ResizeBilinear':
            resized = tf.raw_ops.ResizeBilinear(images=images, size=size, **facts)
        else:
            resized = tf.compat.v2.image.resize(images, size, antialias=facts['antialias'])
        expected = session.run((resized - means) / 128)[0]
    assert np.abs(np.reshape(found, expected.shape) - expected).max() < 1e-5


@pytest.mark.parametrize(
    'name, picture, tolerance',
    [
        ('rotated.jpg', encoded(photo(60, 44), exif=b'Exif\0\0' + exif(6)), 1),
        ('gray.png', encoded(Image.fromarray(photo(60, 44)).convert('L'), 'PNG'), 0),
        ('palette.png', encoded(Image.fromarray(photo(60, 44)).convert('P'), 'PNG'), 0),
        (
            'transparent.png',
            encoded(Image.fromarray(np.dstack([photo(60, 44), photo(60, 44, 1)[..., 0]])), 'PNG'),
            1,
        ),
    ],
)
def test_pictures_are_decoded_as_in_python(page, served, name, picture, tolerance):
    (served[1] / name).write_bytes(picture)
    expected = decode_with_pillow(picture)
    height, width = expected.shape[:2]
    same_size = preprocessing(
        'ResizeBilinear', {'align_corners': False, 'half_pixel_centers': False}, (height, width), [0, 0, 0]
    )
    found = page.evaluate(PIXELS, [f'/files/{name}', same_size])
    assert np.abs(np.reshape(found, expected.shape) * 128 - expected).max() <= tolerance


@pytest.mark.parametrize(
    'steps', [[{'op': 'ResizeArea'}], [{'op': 'ScaleAndTranslate', 'kernel_type': 'gaussian'}]]
)
def test_a_step_that_the_page_does_not_have_is_named(page, served, steps):
    (served[1] / 'one.png').write_bytes(encoded(photo(8, 8), 'PNG'))
    with pytest.raises(Exception, match=r'the preprocessing .*(ResizeArea|gaussian)'):
        page.evaluate(PIXELS, ['/files/one.png', {'pictures': [{'height': 8, 'width': 8, 'steps': steps}]}])


def test_labels_and_facts_are_read_from_the_zip_behind_the_model(page, served):
    labels, info = ['Rhodesian ridgeback', 'épagneul', '柴犬'], {'preprocessing': {'height': 4}, 'width': 3}
    path = write_package(served[1] / 'facts.tflite', b'\0\0\0\0TFL3' + bytes(999), labels, info)
    assert page.evaluate(FACTS, '/files/facts.tflite') == {'labels': labels, 'info': read_package(path).info}
    data = path.read_bytes()
    (served[1] / 'cut.tflite').write_bytes(data[:-100])
    with pytest.raises(Exception, match=r'the model holds no labels\.txt'):
        page.evaluate(FACTS, '/files/cut.tflite')


def test_a_zip_that_other_tools_appended_is_read_too(page, served):
    path = served[1] / 'other.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:  # its offsets count from its own start
        archive.writestr('labels.txt', 'cat\r\ndog\r\n\r\n')
        archive.writestr('model_info.json', '{"width": 2}')
        archive.comment = b'made elsewhere'
    path.with_suffix('.tflite').write_bytes(b'\0\0\0\0TFL3' + bytes(77) + path.read_bytes())
    assert page.evaluate(FACTS, '/files/other.tflite') == {'labels': ['cat', 'dog'], 'info': {'width': 2}}


def test_the_page_says_what_is_missing(page):
    page.wait_for_function("document.getElementById('status').textContent.startsWith('Error: ')")
    assert page.locator('#file').is_disabled()


# The network itself


@pytest.fixture(scope='module')
def pictures(served) -> list[Path]:
    """Ten drawn pictures as PNG, which every decoder reads alike."""
    drawn = draw_sample(served[1] / 'drawn', 2)[:10]
    for path in drawn:
        Image.open(path).save(served[1] / f'{path.stem}.png')
    return [served[1] / f'{path.stem}.png' for path in drawn]


def models(folder: Path, pictures: list[Path]) -> tuple[dict[str, Path], ImageReader]:
    """The model that ships in float32 and in int8, and the reader of its pictures."""
    shipped = load_graph(paths.POCKET_DOGS)
    graph_def = put_weights(shipped.graph_def, shipped.weights)
    reader = ImageReader(graph_def, shipped.preprocessing)
    info = shipped.info | {KEY: steps_of(graph_def, shipped.preprocessing, paths.POCKET_DOGS)}
    made = {}
    for precision in ('float32', 'int8'):
        calibration = [reader.read(path.read_bytes()) for path in pictures] if precision == 'int8' else ()
        model = convert(
            graph_def, shipped.preprocessing, shipped.output, paths.POCKET_DOGS, precision, calibration
        )
        made[precision] = write_package(folder / f'{precision}.tflite', model, shipped.labels, info)
    return made, reader


@pytest.fixture(scope='module')
def exported(served, pictures):
    if not Path(LIBRARY, '@litertjs', 'core').is_dir():
        pytest.skip('LITERT_JS_DIR names no node_modules with @litertjs/core')
    if not installed():
        pytest.skip('LiteRT is not installed')
    return models(served[1], pictures)


def answers(page, exported, precision: str, pictures: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities [N, classes] in the browser and in Python, classes in output order."""
    made, reader = exported
    names = [f'/files/{path.name}' for path in pictures]
    found = page.evaluate(ANSWERS, [f'/files/{made[precision].name}', names])
    labels = load_graph(paths.POCKET_DOGS).labels
    rows = []
    for answer in found:
        assert [one['probability'] for one in answer] == sorted(
            (a['probability'] for a in answer), reverse=True
        )
        by_label = {one['label']: one['probability'] for one in answer}
        rows.append([by_label[label] for label in labels])
    pixels = np.stack([reader.resize(decode_with_pillow(path.read_bytes())) for path in pictures])
    return np.array(rows), Interpreters(made[precision]).run(pixels)


@pytest.mark.parametrize('precision, tolerance', [('float32', 1e-5), ('int8', 0.05)])
def test_the_browser_answers_as_python_does(page, exported, pictures, precision, tolerance):
    found, expected = answers(page, exported, precision, pictures)
    assert len(found) == 10
    assert (found.argmax(1) == expected.argmax(1)).all()
    assert np.abs(found - expected).max() < tolerance


def test_photos_give_the_same_answers(page, served, exported, real_data):
    with zipfile.ZipFile(real_data / 'dogs_vs_cats' / 'train.zip') as archive:
        names = [name for name in archive.namelist() if '/dog.' in name][:10]
        photos = [served[1] / Path(name).name for name in names]
        for path, name in zip(photos, names, strict=True):
            path.write_bytes(archive.read(name))
    found, expected = answers(page, exported, 'float32', photos)
    assert (found.argmax(1) == expected.argmax(1)).all()
    assert np.abs(found - expected).max() < 1e-3  # 1e-6 where the browser has libjpeg-turbo, as Pillow


def test_the_page_shows_the_classes_of_a_chosen_picture(browser, served, exported, pictures):  # noqa: F811
    made, reader = exported
    page = browser.new_page()
    page.goto(f'{served[0]}/?model=/files/{made["float32"].name}')
    page.locator('#file:enabled').set_input_files(pictures[0])
    page.locator('figure:visible').wait_for()
    shown = page.locator('#classes li').all_inner_texts()
    probabilities = Interpreters(made['float32']).run(reader.read(pictures[0].read_bytes())[None])[0]
    best = int(probabilities.argmax())
    assert len(shown) == 5
    assert shown[0].startswith(
        f'{load_graph(paths.POCKET_DOGS).labels[best]} {100 * probabilities[best]:.1f} %'
    )
    assert page.evaluate("document.getElementById('picture').naturalWidth") > 0
