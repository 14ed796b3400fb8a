"""Fixtures of all tests: a temporary ROOTSTOCK_HOME, and the folder of real data if there is one."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before any module of the project is imported, so that tests write nothing into the checkout.
HOME = Path(tempfile.mkdtemp(prefix='rootstock-tests-')).resolve()
os.environ['ROOTSTOCK_HOME'] = str(HOME)

import pytest

from src.common import paths
from src.common.tf1 import own_process
from tests.clusters import clusters  # noqa: F401  (a fixture)
from tests.downloads.loopback import Site

if paths.ROOT != HOME:
    raise RuntimeError(
        f'a plugin imported src before tests/conftest.py: the tests would work in {paths.ROOT} and empty it'
    )

own_process()  # as `errors.run` does for every command; tests/common/test_tf1.py tests other programs

# In a background job Ctrl-C is ignored, which tests and their child processes would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `posix` on Windows."""
    for item in items:
        if os.name != 'posix' and item.get_closest_marker('posix'):
            item.add_marker(pytest.mark.skip(reason='needs signals or sh'))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by the argument and not by its bytes, which may hold the time, such as those of gzip: all
    processes of pytest-xdist must collect the same names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope='module', autouse=True)
def empty_project() -> None:
    """Empty the work folders before each module, so that modules may use the same names."""
    for path in HOME.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.fixture(scope='session')
def real_data() -> Path:
    """The folder of real photos and graphs (see CONTRIBUTING.md); the test is skipped without it."""
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
