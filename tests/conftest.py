"""What the tests share: a home of their own, small graphs and pictures, and the real data if there is any."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before any module of the project is imported: nothing a test writes lands in the checkout.
os.environ['ROOTSTOCK_HOME'] = tempfile.mkdtemp(prefix='rootstock-tests-')

import pytest

from src.common import paths
from src.common.tf1 import own_process
from tests.downloads.loopback import Site

own_process()  # as `errors.run` does for every command; tests/common/test_tf1.py has programs of others

# Where Ctrl-C is ignored, as in a background job, tests and what they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    shutil.rmtree(paths.ROOT, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Windows leave out what is marked as posix."""
    for item in items:
        if os.name != 'posix' and item.get_closest_marker('posix'):
            item.add_marker(pytest.mark.skip(reason='needs signals or sh'))


@pytest.fixture(scope='module', autouse=True)
def empty_project() -> None:
    """Each module begins with empty work folders, so data sets and models of the same name do not meet."""
    for path in paths.ROOT.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.fixture(scope='session')
def real_data() -> Path:
    """Folder with real photos and graphs (see CONTRIBUTING.md); the test is skipped without it."""
    folder = os.environ.get('REAL_DATA_DIR')
    if not folder or not Path(folder).is_dir():
        pytest.skip('REAL_DATA_DIR names no folder with real data')
    return Path(folder)


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server on this machine with scripted responses."""
    made = Site()
    yield made
    made.close()


@pytest.fixture
def web(site, monkeypatch) -> Site:
    """The same, without a proxy in the environment."""
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    return site
