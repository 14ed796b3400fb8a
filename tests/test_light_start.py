"""Commands import heavy packages only if they need them."""

from __future__ import annotations

import ast
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.common import paths
from src.common.commands import COMMANDS
from tests.inference.models import bright_above, brightest_side
from tests.lite import tflite_of
from tests.pictures import encoded

# Not needed for --help. TensorFlow takes seconds to import, the others tenths of a second each.
HEAVY = {'tensorflow', 'pandas', 'matplotlib', 'scipy'}


def file_of(module: str) -> Path:
    """The source of a module or package of the project; it exists only if `module` is one."""
    path = paths.CHECKOUT.joinpath(*module.split('.'))
    return path / '__init__.py' if path.is_dir() else path.with_suffix('.py')


def module_level(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements that run when the module is imported."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test):
            yield from module_level(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ('body', 'orelse', 'finalbody', 'handlers'):
                yield from module_level(getattr(node, field, []))


@functools.cache
def imported(module: str) -> frozenset[str]:
    """The modules that a module of the project imports when it is imported itself, its packages included."""
    names = {module.rpartition('.')[0]} - {''}
    for node in module_level(ast.parse(file_of(module).read_text(encoding='utf-8')).body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        else:
            names.add(node.module)
            members = (f'{node.module}.{alias.name}' for alias in node.names)
            names |= {name for name in members if name.startswith('src.') and file_of(name).exists()}
    return frozenset(names)


def chains(module: str) -> dict[str, str]:
    """Every module that importing `module` imports, each with the chain of imports that leads to it."""
    found = {module: module}
    waiting = [module]
    while waiting:
        importer = waiting.pop()
        for name in imported(importer):
            if name not in found:
                found[name] = f'{found[importer]} -> {name}'
                if name.partition('.')[0] == 'src':
                    waiting.append(name)
    return found


def test_the_walk_finds_imports_in_every_place_but_functions_and_type_checking():
    code = (
        'import a\nif TYPE_CHECKING:\n  import no\nelse:\n  import b\n'
        'try:\n  import c\nexcept E:\n  import d\nclass X:\n  from e import f\ndef g():\n  import no\n'
    )
    names = [
        getattr(node, 'module', None) or node.names[0].name for node in module_level(ast.parse(code).body)
    ]
    assert names == ['a', 'b', 'c', 'd', 'e']


@pytest.mark.parametrize('command', COMMANDS.values(), ids=COMMANDS)
def test_help_needs_no_heavy_package(command):
    """Parsers are built from what the module imports."""
    found = chains('src.__main__' if command.module == 'src' else command.module)
    assert 'src.common.cli' in found
    assert [chain for name, chain in found.items() if name.partition('.')[0] in HEAVY] == []


def run(code: str, *arguments: object, folder: Path, **environment: str) -> list[str]:
    """The lines that Python code prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, '-c', code, *map(str, arguments)],
        env=os.environ | {'PYTHONPATH': str(paths.CHECKOUT), 'ROOTSTOCK_HOME': str(folder)} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


LOADED = f'print("loaded", *(name for name in {sorted(HEAVY)} if name in sys.modules))\n'


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / 'a.jpg'
    path.write_bytes(encoded(bright_above(), 'JPEG'))
    return path


CLASSIFY = (
    'import sys\nfrom src.common.tf1 import own_process\nfrom src.inference import classify\n'
    'own_process()\nassert classify.main(sys.argv[1:]) == 0\n'
)


def test_classify_with_the_shipped_graph_loads_tensorflow_only(picture):
    words = (picture, '--csv', '--top', '1', '--model', paths.POCKET_DOGS)
    lines = run(CLASSIFY + LOADED, *words, folder=picture.parent)
    assert lines[0] == 'path,label,probability' and lines[1].startswith(f'{picture},')
    assert lines[2:] == ['loaded tensorflow']


# Each takes hundredths of a second to import, and classifying one picture with LiteRT needs none.
NOT_FOR_LITERT = (
    *('tqdm', 'wcwidth', 'requests', 'importlib.metadata', 'difflib', 'csv', 'socket'),
    *('src.recipes', 'src.graph.graph_io', 'src.graph.frozen', 'src.records.next_commands'),
)


@pytest.mark.parametrize('form', [[], ['--json']])
def test_classify_with_a_tflite_file_loads_nothing_heavy(picture, form):
    pytest.importorskip('ai_edge_litert')
    graph = paths.frozen('sides')
    graph.parent.mkdir(exist_ok=True)
    shutil.copy(brightest_side(picture.with_name('side.pb')), graph)
    tflite_of(graph, graph.with_suffix('.tflite'))
    names = sorted(HEAVY) + list(NOT_FOR_LITERT)
    loaded = f'print("loaded", *(name for name in {names} if name in sys.modules))\n'
    home = {'ROOTSTOCK_HOME': str(paths.ROOT)}
    lines = run(CLASSIFY + loaded, picture, '--model', 'sides', *form, folder=picture.parent, **home)
    assert 'sides.tflite' in lines[0] or form
    assert '"top"' in lines[0] or lines[2].split()[0] == 'top'
    assert lines[-1] == 'loaded'


@pytest.mark.parametrize(
    'module', ['src.inference.predictor', 'src.inference.choice', 'src.images.pillow_reader']
)
def test_modules_of_litert_need_no_heavy_package(module):
    assert [chain for name, chain in chains(module).items() if name.partition('.')[0] in HEAVY] == []


SERVE = (
    'import pathlib, sys\nfrom src.common.tf1 import own_process\n'
    'from src.inference.server.admission import AdmissionLimit\n'
    'from src.inference.server.app import create_app\nfrom src.inference.server.metrics import Metrics\n'
    'from src.inference.server.models import Models\nfrom src.inference.server.service import Limits\n'
    'import src.inference.serve, src.inference.server.http.listening\n'
    'own_process()\nmodels = Models([pathlib.Path(sys.argv[2])])\n'
    'client = create_app(models, AdmissionLimit(4), Metrics(), Limits()).test_client()\n'
    'picture = pathlib.Path(sys.argv[1]).read_bytes()\n'
    'print(client.get("/").status_code, client.post("/classify?top=1", data=picture).status_code)\n'
    'parts = {"image": [(open(sys.argv[1], "rb"), "a.jpg"), (open(sys.argv[1], "rb"), "b.jpg")]}\n'
    'print(client.post("/classify", data=parts).status_code)\n'
    'print(client.post("/explain", data=picture).content_type)\n'
    'models.close()\n'
)


def test_the_server_loads_tensorflow_only(picture):
    lines = run(SERVE + LOADED, picture, paths.POCKET_DOGS, folder=picture.parent)
    assert lines == ['200 200', '200', 'image/png', 'loaded tensorflow']


def test_the_server_of_a_tflite_file_loads_nothing_heavy(picture):
    pytest.importorskip('ai_edge_litert')
    graph = brightest_side(picture.with_name('side.pb'))
    lite = tflite_of(graph, picture.with_name('side.tflite'))
    graph.unlink()  # /explain would load it
    lines = run(SERVE + LOADED, picture, lite, folder=picture.parent)
    assert lines == ['200 200', '200', 'application/json', 'loaded']
