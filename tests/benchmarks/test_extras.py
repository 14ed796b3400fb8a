"""Benchmarks that need packages beyond those of the project say so in one line."""

from __future__ import annotations

import ast
import importlib
import re
import sys

import pytest

from benchmarks import bottlenecks, pixels
from src.common import paths
from src.common.errors import UserError
from tests.test_light_start import module_level

INSTALL = r"run python -m pip install -c \S*constraints\.txt -e '?\S*\[{}\]'?$"
MODULES = sorted(path.stem for path in (paths.CHECKOUT / 'benchmarks').glob('*.py'))
EXTRAS = {
    *('sklearn', 'openvino', 'nncf', 'onnxruntime', 'tf2onnx', 'ai_edge_litert'),
    *('torch', 'flask', 'waitress', 'prometheus_client'),
}


@pytest.mark.parametrize('module', MODULES)
def test_help_needs_no_extra_package(module):
    tree = ast.parse((paths.CHECKOUT / 'benchmarks' / f'{module}.py').read_text(encoding='utf-8'))
    names = {
        getattr(node, 'module', None) or alias.name
        for node in module_level(tree.body)
        for alias in node.names
    }
    needed = {name.partition('.')[0] for name in names} & EXTRAS
    assert needed == ({'torch'} if module == 'pixels_torch' else set())  # it runs without Rootstock


@pytest.mark.parametrize(
    'module, package, extra, flags',
    [
        ('held_out', 'sklearn', 'bench', ['--name', 'none']),
        ('measured', 'sklearn', 'bench', ['none', '--backbone', 'none.pb', '--test-list', 'none.txt']),
        ('head', 'sklearn', 'bench', ['--name', 'none']),
        ('serving', 'waitress', 'serve', []),
    ],
)
def test_a_missing_package_is_named_with_the_command(monkeypatch, module, package, extra, flags):
    benchmark = importlib.import_module(f'benchmarks.{module}')
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(UserError) as raised:
        benchmark.main(flags)
    text = str(raised.value)
    assert re.search(INSTALL.format(extra), text), text
    assert text.startswith(f'the package {package} is missing: ')


def test_bottlenecks_are_measured_without_peers(monkeypatch, capsys):
    for package in bottlenecks.PACKAGES:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match='holds 0 JPEGs'):  # the next check
        bottlenecks.main([str(paths.CHECKOUT / 'benchmarks')])
    said = capsys.readouterr().err.strip()
    assert said.startswith('measured without openvino, nncf, onnxruntime, tf2onnx: for these ')
    assert re.search(INSTALL.format('bench'), said)


def test_pytorch_is_looked_for_before_anything_is_measured(tmp_path):
    with pytest.raises(UserError, match='no_python: No such file'):
        pixels.main(['--torch-python', str(tmp_path / 'no_python')])
    if importlib.util.find_spec('torch') is None:
        with pytest.raises(
            UserError, match=r'has no PyTorch: .*--torch-python, or run .* -m pip install torch$'
        ):
            pixels.main([])
