"""Run each notebook completely in a fresh ROOTSTOCK_HOME, with the interpreter of the tests."""

from __future__ import annotations

import base64
import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from src.common import consts, files, paths
from src.drawing.sheets import SIDE

NOTEBOOKS = paths.CHECKOUT / 'notebooks'
NAMES = ('Inference', 'Confusion', 'ExploratoryAnalysis')
SECONDS = 180  # timeout of a cell: importing TensorFlow may be slow on a busy machine

CONFUSION = """\
id,split,actual,pred,probability
1.jpg,test,moss_terrier,moss_terrier,0.9
2.jpg,test,moss_terrier,nan,0.6
3.jpg,test,nan,nan,0.8
4.jpg,test,nan,moss_terrier,0.5
5.jpg,validation,007,007,0.7
6.jpg,validation,007,nan,0.4
"""


@pytest.fixture(scope='module')
def kernel(tmp_path_factory) -> Path:
    """A folder for JUPYTER_PATH whose kernel 'python3' is this interpreter."""
    pytest.importorskip('ipykernel')
    folder = tmp_path_factory.mktemp('jupyter')
    spec = {
        'argv': [sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}'],
        'display_name': 'Python 3',
        'language': 'python',
    }
    path = folder / 'kernels' / 'python3' / 'kernel.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(spec), encoding='utf-8')
    return folder


@pytest.fixture
def home(tmp_path, kernel, monkeypatch) -> Path:
    """A fresh ROOTSTOCK_HOME for the kernel, which does not touch the user's Jupyter folders."""
    monkeypatch.setenv('JUPYTER_PATH', str(kernel))
    for name in ('JUPYTER_RUNTIME_DIR', 'JUPYTER_DATA_DIR', 'JUPYTER_CONFIG_DIR', 'IPYTHONDIR'):
        monkeypatch.setenv(name, str(kernel / name.lower()))
    monkeypatch.delenv('MPLBACKEND', raising=False)
    home = tmp_path / 'home'
    home.mkdir()
    monkeypatch.setenv('ROOTSTOCK_HOME', str(home))
    return home


def run(name: str, **settings: str) -> dict[str, list]:
    """The outputs of each cell, by its id. An error in a cell is raised here, with its traceback.

    `settings` replace the lines NAME = None of the notebook.
    """
    nbformat, nbclient = pytest.importorskip('nbformat'), pytest.importorskip('nbclient')
    notebook = nbformat.read(NOTEBOOKS / f'{name}.ipynb', as_version=4)
    for setting, value in settings.items():
        (cell,) = (cell for cell in notebook.cells if f'{setting} = None' in cell.source)
        cell.source = cell.source.replace(f'{setting} = None', f'{setting} = {value!r}')
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS, kernel_name='python3', resources={'metadata': {'path': str(NOTEBOOKS)}}
    )
    client.execute()
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == 'code'}


def pictures(outputs: list) -> int:
    return sum(any(kind.startswith('image/') for kind in output.get('data', ())) for output in outputs)


def shown_table(outputs: list) -> str:
    """The first table of a cell."""
    return next(output['data']['text/plain'] for output in outputs if 'text/html' in output.get('data', ()))


def text(outputs: list) -> str:
    return ''.join(output.get('text', '') for output in outputs)


def with_sample(home: Path) -> Path:
    from src.drawn_dogs.draw import draw_sample

    draw_sample(home / 'data' / 'sample', per_class=3)
    return home / 'data' / 'sample'


@pytest.mark.parametrize('name', NAMES)
def test_is_stored_clean(name):
    """Without outputs, execution counts and metadata, so that running a notebook does not change the file."""
    nbformat = pytest.importorskip('nbformat')
    stored = json.loads((NOTEBOOKS / f'{name}.ipynb').read_text(encoding='utf-8'))
    assert (stored['nbformat'], stored['nbformat_minor']) == (4, 5)
    assert stored['metadata']['kernelspec']['name'] == 'python3'
    nbformat.validate(nbformat.from_dict(stored))
    for cell in stored['cells']:
        assert cell['id']
        assert cell.get('outputs', []) == []
        assert cell.get('execution_count') is None
        assert cell['metadata'] == {}
    assert [cell['cell_type'] for cell in stored['cells'][:2]] == ['markdown', 'code']


def test_every_notebook_is_tested():
    assert {path.stem for path in NOTEBOOKS.glob('*.ipynb')} == set(NAMES)


@pytest.mark.slow
def test_inference(home):
    sample = with_sample(home)
    frozen = home / 'frozen' / 'mine.pb'
    frozen.parent.mkdir()
    shutil.copy(paths.POCKET_DOGS, frozen)
    outputs = run('Inference', MODEL='mine')
    assert f'model:    {frozen}' in text(outputs['setup'])
    assert f'pictures: {sample / "Images"}' in text(outputs['setup'])
    assert 'breed' in shown_table(outputs['one-picture'])
    assert pictures(outputs['one-chart']) == 1
    assert pictures(outputs['many-pictures']) == 1
    assert 'no URL given' in text(outputs['web-picture'])
    assert text(outputs['terminal']).endswith(f'--model {frozen}\n')


@pytest.mark.slow
def test_inference_uses_test_pictures_of_the_data_set_of_its_model(home):
    write_records(home / 'data' / 'records' / 'pets')
    files.write_json(home / 'checkpoints' / 'small' / 'model.json', {'data_set': 'pets'})
    (home / 'frozen').mkdir()
    shutil.copy(paths.POCKET_DOGS, home / 'frozen' / 'small.pb')
    outputs = run('Inference', MODEL='small')
    assert f'pictures: test pictures of {home / "data" / "records" / "pets"}' in text(outputs['setup'])
    assert pictures(outputs['one-chart']) == pictures(outputs['many-pictures']) == 1


@pytest.mark.slow
def test_inference_draws_pictures_where_there_are_none(home):
    outputs = run('Inference')
    assert 'model:    frozen/pocket_dogs.pb' in text(outputs['setup'])
    assert pictures(outputs['one-chart']) == 1
    assert len(list((home / 'data' / 'sample').rglob('*.jpg'))) == 96


def test_confusion_of_another_model(home):
    (home / 'metrics' / 'another_model').mkdir(parents=True)
    (home / 'metrics' / 'another_model' / 'training_confusion.csv').write_text(CONFUSION, encoding='utf-8')
    outputs = run('Confusion')
    assert '6 photos, 3 classes' in text(outputs['table'])
    assert 'model another_model,' in text(outputs['table'])
    table = shown_table(outputs['top-1-chart'])
    assert [line.split() for line in table.splitlines()[2:]] == [
        ['test', '4', '2', '50.0%'],
        ['validation', '2', '1', '50.0%'],
    ]
    for cell in ('top-1-chart', 'confusion-matrix', 'confused-pairs'):
        assert pictures(outputs[cell]) == 1, cell
    scores = shown_table(outputs['class-scores'])
    assert {'007', 'nan', 'moss_terrier'} <= set(scores.split())


def test_confusion_of_many_classes_is_small_and_names_the_full_size_picture(home):
    folder = home / 'metrics' / 'breeds'
    folder.mkdir(parents=True)
    lines = [f'{number}.jpg,test,class_{number},class_{number % 20},0.7' for number in range(21)]
    table = '\n'.join(['id,split,actual,pred,probability', *lines])
    (folder / 'training_confusion.csv').write_text(table, encoding='utf-8')
    full = folder / 'confusion_matrix.png'
    full.touch()
    outputs = run('Confusion', MODEL='breeds')
    assert pictures(outputs['confusion-matrix']) == 1
    assert str(full) in text(outputs['confusion-matrix'])


def test_confusion_without_mistakes(home):
    correct = [line for line in CONFUSION.splitlines() if line[0] in 'i135']
    correct = [line + (',learned_from' if line.startswith('id,') else ',True') for line in correct]
    (home / 'metrics').mkdir()
    (home / 'metrics' / 'training_confusion.csv').write_text('\n'.join(correct), encoding='utf-8')
    outputs = run('Confusion')
    assert f'model {consts.CURRENT_MODEL_NAME},' in text(outputs['table'])
    assert 'all predictions are correct' in text(outputs['confused-pairs'])
    assert '(training score)' in shown_table(outputs['top-1-chart'])
    assert '100.0% (training score)' in text(outputs['class-scores'])
    assert pictures(outputs['confusion-matrix']) == 1


def test_confusion_without_a_table_prints_the_command_to_run(home):
    files.write_json(home / 'checkpoints' / 'small' / 'model.json', {'data_set': 'pets'})
    outputs = run('Confusion')
    assert 'python -m src.analysis.training_perf_analysis --name pets --model small' in text(outputs['table'])
    assert not any(outputs[cell] for cell in outputs if cell not in ('setup', 'table'))


CHARTS = ('split-sizes', 'class-sizes', 'picture-sizes', 'aspect-ratios', 'samples')


def test_exploratory_analysis_of_the_sample(home):
    with_sample(home)
    outputs = run('ExploratoryAnalysis')
    assert 'the drawn sample: 24 pictures of 8 classes' in text(outputs['read'])
    for cell in CHARTS:
        assert pictures(outputs[cell]) == 1, cell


@pytest.mark.slow
def test_exploratory_analysis_of_records(home):
    """The first complete records are shown; augmented copies and damaged pictures are not counted."""
    write_records(home / 'data' / 'records' / 'b_dogs')
    unfinished = home / 'data' / 'records' / 'a_stopped' / 'manifest.json'
    unfinished.parent.mkdir()
    unfinished.write_text('{"complete": false}', encoding='utf-8')
    outputs = run('ExploratoryAnalysis')
    printed = text(outputs['read'])
    assert 'a_stopped is not finished' in printed
    assert 'b_dogs: 13 pictures of 11 classes' in printed
    assert '1 cannot be read' in printed
    for cell in CHARTS:
        assert pictures(outputs[cell]) == 1, cell
    (shown,) = (output['data']['image/jpeg'] for output in outputs['samples'])
    height = Image.open(io.BytesIO(base64.b64decode(shown))).height
    assert 8 * SIDE < height < 9 * SIDE + 8 * 60  # eight rows of pictures with their names


def write_records(folder: Path) -> None:
    """Write twelve labeled photos, an augmented copy, a damaged file and a photo without a label."""
    from src.records.example import build_example, shard_name, write_shard
    from tests.pictures import encoded, photo

    others = [f'class_{number}' for number in range(8)]
    classes = ['$ant', 'bee', *others]
    splits = {
        'train': [('1', '$ant'), ('1~mirrored', '$ant'), ('2', 'bee'), ('damaged', 'bee')],
        'test': [('3', '$ant'), ('4', 'bee'), *((name, name) for name in others)],
        'unlabelled': [('5', None)],
    }
    folder.mkdir(parents=True)
    for split, items in splits.items():
        examples = [
            build_example(
                id_,
                b'no picture' if id_ == 'damaged' else encoded(photo(40 + 10 * number, 60, seed=number)),
                None,
                label,
                classes,
            )
            for number, (id_, label) in enumerate(items)
        ]
        write_shard(folder / shard_name(split, 0, 1), examples)
    manifest = {
        'name': folder.name,
        'classes': classes,
        'backbone': None,
        'precision': None,
        'fingerprint': 'f',
        'copies': ['mirrored'],
        'counts': {split: len(items) for split, items in splits.items()},
        'shards': [shard_name(split, 0, 1) for split in splits],
        'complete': True,
    }
    (folder / 'manifest.json').write_text(json.dumps(manifest), encoding='utf-8')
