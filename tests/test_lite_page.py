"""docs/lite.md: its Python program runs as it stands, and its examples name what is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from src.common import paths
from src.graph.frozen import load_graph
from src.graph.lite.convert import convert
from src.graph.lite.interpreters import Interpreters, installed
from src.graph.lite.package import write_package
from src.graph.lite.steps import KEY, steps_of
from src.graph.weights import put_weights
from src.images.decode import decode_with_pillow
from src.images.reader import ImageReader
from src.inference.predictor import load_model
from tests.pictures import encoded, exif, photo

PAGE = (paths.CHECKOUT / 'docs' / 'lite.md').read_text(encoding='utf-8')


def blocks(language: str) -> list[str]:
    return re.findall(rf'```{language}\n(.*?)```', PAGE, re.DOTALL)


@pytest.fixture(scope='module')
def shipped():
    return load_graph(paths.POCKET_DOGS)


def test_the_steps_on_the_page_are_those_of_the_model_that_ships(shipped):
    graph_def = put_weights(shipped.graph_def, shipped.weights)
    steps = steps_of(graph_def, shipped.preprocessing, paths.POCKET_DOGS)
    assert json.loads(blocks('json')[0]) == steps


def test_the_program_without_rootstock_gives_the_answers_of_the_model(shipped, tmp_path):
    if not installed():
        pytest.skip('LiteRT is not installed')
    graph_def = put_weights(shipped.graph_def, shipped.weights)
    preprocessing = shipped.preprocessing
    model = convert(graph_def, preprocessing, shipped.output, paths.POCKET_DOGS)
    info = shipped.info | {KEY: steps_of(graph_def, preprocessing, paths.POCKET_DOGS)}
    file = write_package(tmp_path / 'model.tflite', model, shipped.labels, info)
    picture = encoded(photo(250, 310), exif=b'Exif\0\0' + exif(6))
    answer = answer_of_the_program(file, picture, tmp_path)
    pixels = ImageReader(graph_def, preprocessing).resize(decode_with_pillow(picture))
    (probabilities,) = Interpreters(file).run(pixels[None])
    best = np.argsort(-probabilities)[:5]
    assert answer == [f'{probabilities[i]:6.1%}  {shipped.labels[i]}' for i in best]


def test_the_program_without_rootstock_gives_nearly_the_answers_of_the_int8_file_that_ships(tmp_path):
    if not installed():
        pytest.skip('LiteRT is not installed')
    file = paths.POCKET_DOGS.with_suffix('.tflite')
    model = load_model(file)
    picture = encoded(photo(250, 310))
    answer = dict(line.split()[::-1] for line in answer_of_the_program(file, picture, tmp_path))
    (probabilities,) = model.from_pictures([picture])
    of = dict(zip(model.labels, probabilities, strict=True))
    assert len(answer) == 5
    assert all(abs(float(text.rstrip('%')) / 100 - of[label]) < 0.05 for label, text in answer.items())


def answer_of_the_program(model: Path, picture: bytes, folder: Path) -> list[str]:
    (folder / 'my_dog.jpg').write_bytes(picture)
    (program,) = blocks('python')
    (folder / 'dog.py').write_text(program, encoding='utf-8')
    command = [sys.executable, 'dog.py', str(model), 'my_dog.jpg']
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_the_listing_on_the_page_is_that_of_the_file_that_ships():
    with zipfile.ZipFile(paths.POCKET_DOGS.with_suffix('.tflite')) as behind:
        files = [(str(one.file_size), one.filename) for one in behind.infolist()]
    assert re.findall(r'^ +(\d+)  1980-01-01 00:00   (\S+)$', PAGE, re.MULTILINE) == files


def test_the_files_that_the_page_names_are_there():
    for file in re.findall(r'`(tests/\w+\.py)`|\]\((web/)\)', PAGE):
        assert any(part and (paths.CHECKOUT / root / part).exists() for part in file for root in ('', 'docs'))
    (imported,) = re.findall(r"import \{(\w+)\} from '\./(\w+\.js)'", blocks('js')[0])
    assert (
        f'export async function {imported[0]}(' in (paths.CHECKOUT / 'docs' / 'web' / imported[1]).read_text()
    )
