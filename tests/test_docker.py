"""The container's files, as far as they can be checked without Docker: the Dockerfile copies files that exist
and that .dockerignore allows, and setup/start.sh works outside of the container."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from src.common import consts, paths
from src.inference import serve
from tests.test_setup import checkout_in

pytestmark = pytest.mark.posix

CHECKOUT = paths.CHECKOUT
SERVICES = {'8888', '6006'}  # ports of the notebook's container
SERVER = '8501'
WRITTEN_TO = {'data', 'checkpoints', 'summary', 'metrics', 'frozen'}
SHIPPED = [path.relative_to(CHECKOUT).as_posix() for path in (paths.POCKET_GRAPH_DEF, paths.POCKET_DOGS)]


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, arguments) in order, with continued lines joined."""
    text = (CHECKOUT / 'Dockerfile').read_text(encoding='utf-8')
    text = re.sub(r'^\s*#.*\n', '', text, flags=re.MULTILINE)
    lines = [line for line in re.sub(r'\\\n\s*', '', text).splitlines() if line.strip()]
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(' ') for line in lines)]


def of(instruction: str) -> list[str]:
    return [text for name, text in dockerfile() if name == instruction]


def container_env() -> dict[str, str]:
    return dict(text.split('=', 1) for text in of('ENV'))


def copied() -> list[str]:
    """Sources of all COPY lines."""
    words = [[word for word in text.split() if not word.startswith('--')] for text in of('COPY')]
    return [source for line in words for source in line[:-1]]


def is_ignored(path: str) -> bool:
    """Whether .dockerignore excludes a path: the last line that matches it or a parent folder decides."""
    path = PurePosixPath(path)
    names = [str(path), *(str(parent) for parent in path.parents)]
    ignored = False
    for line in (CHECKOUT / '.dockerignore').read_text(encoding='utf-8').splitlines():
        if line and not line.startswith('#'):
            pattern = re.escape(line.lstrip('!').strip('/'))
            pattern = pattern.replace(r'\*\*/', '(.*/)?').replace(r'\*', '[^/]*')
            if any(re.fullmatch(pattern, name) for name in names):
                ignored = not line.startswith('!')
    return ignored


@pytest.mark.parametrize('source', copied())
def test_copied_files_exist_and_are_not_ignored(source):
    path = CHECKOUT / source
    assert path.exists()
    files = [path] if path.is_file() else [file for file in path.rglob('*') if file.is_file()]
    files = [file for file in files if not {'__pycache__', '.ipynb_checkpoints'} & set(file.parts)]
    assert files
    assert not [file for file in files if is_ignored(file.relative_to(CHECKOUT).as_posix())]


def test_files_that_the_program_needs_are_copied():
    for needed in ('pyproject.toml', 'setup/start.sh', 'src/common/paths.py', 'notebooks/x.ipynb', *SHIPPED):
        assert any(needed == source or needed.startswith(source.rstrip('/') + '/') for source in copied())


@pytest.mark.parametrize(
    'path',
    ['.env', '.git/config', '.venv/bin/python', 'data/a.jpg', 'data/README.md', 'checkpoints/x', 'summary/x',
     'metrics/x.json', 'frozen/mine.pb', 'frozen/inception/graph.pb', 'src/common/__pycache__/paths.pyc',
     'tests/conftest.py'],
)  # fmt: skip
def test_nothing_else_reaches_the_image(path):
    assert is_ignored(path)


def test_packages_are_installed_before_the_code_is_copied():
    lines = dockerfile()
    install = next(number for number, (_, text) in enumerate(lines) if 'pip install' in text)
    before = [text for name, text in lines[:install] if name == 'COPY']
    assert not [
        text for text in before if text.startswith(('src/ ', 'frozen', 'setup/ ')) or 'notebooks' in text
    ]
    assert '-c setup/constraints.txt' in lines[install][1]
    assert '.[lite,notebook,serve,tensorboard]' in lines[install][1]


def test_the_user_is_not_root_and_has_a_fixed_id():
    *_, user = of('USER')
    assert user not in ('root', '0')
    assert any(re.search(rf'useradd .*--uid [1-9]\d+ .*\b{user}\b', text) for text in of('RUN'))
    names = [name for name, _ in dockerfile()]
    assert names.index('USER') < names.index('CMD')


def test_ports_and_command():
    assert set(' '.join(of('EXPOSE')).split()) == SERVICES | {SERVER}
    (command,) = of('CMD')
    shell, script = json.loads(command)
    assert shell == 'sh'
    assert (CHECKOUT / script).is_file()
    start = (CHECKOUT / script).read_text(encoding='utf-8')
    assert {'NOTEBOOK_PORT:=8888', 'TENSORBOARD_PORT:=6006'} <= set(re.findall(r'\w+_PORT:=\d+', start))


def test_only_the_container_listens_on_all_addresses():
    assert container_env()['ADDRESS'] == '0.0.0.0'
    start = (CHECKOUT / 'setup' / 'start.sh').read_text(encoding='utf-8')
    assert re.findall(r'ADDRESS:=([\d.]+)', start) == ['127.0.0.1']


def compose() -> dict:
    yaml = pytest.importorskip('yaml')
    return yaml.safe_load((CHECKOUT / 'docker-compose.yml').read_text(encoding='utf-8'))


def test_compose_publishes_the_same_ports_to_this_machine_only():
    service = compose()['services']['notebook']
    assert set(service['ports']) == {f'127.0.0.1:{port}:{port}' for port in SERVICES}
    assert (CHECKOUT / service['build'] / 'Dockerfile').is_file()


def test_compose_has_volumes_for_written_files_and_mounts_the_models_that_ship():
    config = compose()
    mounts = [mount.split(':') for mount in config['services']['notebook']['volumes']]
    (home,) = of('WORKDIR')
    named = {target: source for source, target, *_ in mounts if not source.startswith('.')}
    bound = {target: source for source, target, *_ in mounts if source.startswith('.')}
    assert set(named.values()) == set(config['volumes'])
    assert {PurePosixPath(target).name for target in named} == WRITTEN_TO
    assert {str(PurePosixPath(target).parent) for target in named} == {home}
    for target, source in bound.items():
        assert (CHECKOUT / source).exists()
        assert f'{home}/{PurePosixPath(source)}' == target
    # The volume hides the image's files.
    for model in SHIPPED:
        assert any(target in (f'{home}/{model}', f'{home}/{PurePosixPath(model).parent}') for target in bound)


def test_compose_runs_the_server_with_minimal_privileges():
    service = compose()['services']['server']
    assert service['ports'] == [f'127.0.0.1:{SERVER}:{SERVER}']
    python, dash, module, *flags = service['command']
    assert (python, dash) == ('python', '-m') and importlib.util.find_spec(module)
    assert vars(serve.parse_args(flags))['host'] == '0.0.0.0'
    assert serve.parse_args([]).port == int(SERVER)
    assert service['read_only'] and service['cap_drop'] == ['ALL']
    assert all(mount.endswith(':ro') for mount in service['volumes'])
    for model in SHIPPED:
        assert any(
            mount.startswith(f'./{PurePosixPath(model).parent}') or model in mount
            for mount in service['volumes']
        )
    assert '/readyz' in ' '.join(service['healthcheck']['test'])


def test_compose_mounts_saved_models_for_tensorflow_serving():
    config = compose()
    service = config['services']['tensorflow-serving']
    (source, target, mode) = service['volumes'][0].split(':')
    assert source in config['volumes'] and mode == 'ro'
    saved = paths.SAVED_MODELS_DIR.relative_to(paths.FROZEN_MODELS_DIR).as_posix()
    assert service['environment']['MODEL_BASE_PATH'] == f'{target}/{saved}'
    assert consts.CURRENT_MODEL_NAME in service['environment']['MODEL_NAME']


def test_compose_volumes_belong_to_the_user():
    """A new volume takes over the folder that the image has there, with its owner."""
    (chown,) = [part for text in of('RUN') for part in text.split('&&') if 'chown' in part]
    assert set(chown.split()) >= WRITTEN_TO


# The script ---------------------------------------------------------------------------------

SECONDS = 120  # for both servers to start on a busy machine
# On Linux also an address of this machine, but servers that listen on 127.0.0.1 alone do not answer there.
ELSEWHERE = '127.0.0.2'


@dataclass
class Started:
    """A running setup/start.sh."""

    process: subprocess.Popen
    lab: str
    board: str
    log: Path

    def is_over(self) -> bool:
        """Whether the script and all processes that it started have ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        return self.process.returncode is not None and wait_for(lambda: not self._members(), 15)

    def _members(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


def wait_for(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.2)
    return met


def answer(url: str, method: str = 'GET') -> int:
    """The status code, or 0 without an answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, method=method), timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for sock in (one, other):
            sock.bind(('127.0.0.1', 0))
        return one.getsockname()[1], other.getsockname()[1]


@contextlib.contextmanager
def started(folder: Path, token: str, address: str = '') -> Iterator[Started]:
    """The script, running in a checkout of its own."""
    for module in ('jupyterlab', 'tensorboard'):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f'{module} is not installed')
    checkout, env = checkout_in(folder)
    # Jupyter refuses to run as root, which the user who runs the tests may be.
    config = folder / '.jupyter' / 'jupyter_server_config.json'
    config.parent.mkdir()
    config.write_text('{"ServerApp": {"allow_root": true}}', encoding='utf-8')
    notebook_port, board_port = free_ports()
    env = {name: value for name, value in env.items() if not name.startswith('JUPYTER')} | {
        'HOME': str(folder),
        'ADDRESS': address,
        'NOTEBOOK_PORT': str(notebook_port),
        'TENSORBOARD_PORT': str(board_port),
        'JUPYTER_TOKEN': token,
    }
    log = folder / 'log.txt'
    with log.open('w') as stream:
        process = subprocess.Popen(
            ['sh', str(checkout / 'setup' / 'start.sh')],
            env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    run = Started(process, f'http://127.0.0.1:{notebook_port}', f'http://127.0.0.1:{board_port}', log)
    try:
        for url in (run.lab + '/api', run.board + '/'):
            wait_for(lambda url=url: answer(url) or process.poll() is not None, SECONDS)
            assert answer(url) == 200, log.read_text()
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def health(**env: str) -> int:
    """Exit code of the container's health check, with a proxy in the environment that does not exist."""
    (check,) = of('HEALTHCHECK')
    python, *arguments = json.loads(check[check.index('[') :])
    assert python == 'python'
    env = os.environ | {'http_proxy': 'http://127.0.0.1:9'} | env
    return subprocess.run([sys.executable, *arguments], env=env, capture_output=True).returncode


@pytest.mark.slow
def test_start_serves_both_until_it_is_stopped(tmp_path):
    with started(tmp_path, token='of-my-own') as run:
        assert answer(run.lab + '/api/status?token=of-my-own') == 200
        assert answer(run.lab + '/api/contents/notebooks?token=of-my-own') == 200
        assert answer(run.lab + '/api/status') == 403
        assert answer(run.lab + '/api/status?token=') == 403
        assert 'of-my-own' not in run.log.read_text()

        for url in (run.lab, run.board):
            assert answer(url.replace('127.0.0.1', ELSEWHERE)) == 0, 'it listens on other addresses'

        port = run.lab.rpartition(':')[2]
        assert health(NOTEBOOK_PORT=port) == 0

        run.process.send_signal(signal.SIGTERM)
        assert run.is_over(), run.log.read_text()
        assert run.process.returncode == 0
        assert answer(run.lab + '/api') == answer(run.board + '/') == 0
        assert health(NOTEBOOK_PORT=port) != 0


@pytest.mark.slow
def test_start_as_in_the_container_makes_a_token_and_ends_tensorboard_with_jupyter(tmp_path):
    with started(tmp_path, token='', address=container_env()['ADDRESS']) as run:
        (token,) = set(re.findall(r'token=(\w+)', run.log.read_text()))
        assert len(token) >= 32
        assert answer(run.lab + '/api/status') == 403
        assert answer(f'{run.lab}/api/status?token={token}') == 200
        assert (tmp_path / 'home' / 'checkpoints').is_dir()
        if sys.platform == 'linux':
            for url in (run.lab + '/api', run.board + '/'):
                assert answer(url.replace('127.0.0.1', ELSEWHERE)) == 200

        assert answer(f'{run.lab}/api/shutdown?token={token}', 'POST') == 200
        assert run.is_over(), run.log.read_text()
        assert answer(run.board + '/') == 0
