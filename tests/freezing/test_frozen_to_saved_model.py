"""The command line of the SavedModel export."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from src.common import paths
from src.freezing import frozen_to_saved_model


@pytest.fixture
def model(monkeypatch, tmp_path) -> str:
    """A frozen model with a name that a shell would take apart, in a home of its own."""
    monkeypatch.setattr(paths, 'FROZEN_MODELS_DIR', tmp_path / 'frozen')
    paths.frozen('my dogs').parent.mkdir()
    paths.frozen('my dogs').symlink_to(paths.POCKET_DOGS)
    return 'my dogs'


@pytest.mark.posix
@pytest.mark.parametrize(('work', 'begins'), [('.', '-v "$PWD"/\'saved/my dogs\':'), ('elsewhere', "-v '/")])
def test_serving_is_told_the_absolute_folder(model, tmp_path, monkeypatch, capsys, work, begins):
    (tmp_path / work).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / work)
    base = tmp_path / 'saved' / model
    (base / '.writing-killed').mkdir(parents=True)
    frozen_to_saved_model.main(['--model', model, '--out', str(base)])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith('serve it:'))
    assert begins in line
    mount = re.search(r'-v (.*) -e', line)[1]
    told = subprocess.run(['sh', '-c', f'printf %s {mount}'], capture_output=True, text=True).stdout
    folder, _, inside = told.partition(':')
    assert (Path(folder), inside) == (base, f'/models/{model}')
    assert (Path(folder) / '1' / 'saved_model.pb').is_file()
    assert [path.name for path in base.iterdir()] == ['1']


def test_versions_are_numbers_that_tensorflow_serving_takes(model, tmp_path, capsys):
    (tmp_path / 'saved' / '\u00b2').mkdir(parents=True)  # a digit, but no number
    (tmp_path / 'saved' / '20261127153000').mkdir()
    frozen_to_saved_model.main(['--model', model, '--out', str(tmp_path / 'saved')])
    assert (tmp_path / 'saved' / '20261127153001' / 'saved_model.pb').is_file()
    with pytest.raises(SystemExit):
        frozen_to_saved_model.main(['--model', model, '--version', str(2**63)])
    assert f'is not a whole number from 1 to {2**63 - 1}' in capsys.readouterr().err
