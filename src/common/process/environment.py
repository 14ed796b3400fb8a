"""Checks Python's version and the installed packages before anything else is imported."""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from pathlib import Path

LOWEST, BEYOND = (3, 10), (3, 14)  # as requires-python in pyproject.toml
NEEDED = (
    *('tensorflow', 'numpy', 'pandas', 'requests', 'PIL', 'tqdm', 'matplotlib', 'scipy', 'threadpoolctl'),
    'wcwidth',
)


def fault() -> str:
    """One line with what is missing and what to do; '' if commands can run."""
    try:
        Path.cwd()
    except OSError:
        return 'the current folder no longer exists: change to another one'
    if not LOWEST <= sys.version_info[:2] < BEYOND:
        return (
            f'this is Python {sys.version_info[0]}.{sys.version_info[1]}, and Python 3.10 to 3.13 is needed: '
            f'{_remedy()}'
        )
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return f'Python packages are missing ({", ".join(missing)}): {_remedy()}'
    return ''


def _remedy() -> str:
    """What to do: activate the environment, or install the packages."""
    from src.common import paths

    if paths.INSTALLED:
        return 'install Rootstock with pip into an environment of Python 3.10 to 3.13'
    made = paths.CHECKOUT / '.venv'
    script = shlex.quote(paths.shown(made / ('Scripts/activate' if os.name == 'nt' else 'bin/activate')))
    activate = script if os.name == 'nt' else f'. {script}'
    install = f'sh {shlex.quote(paths.shown(paths.CHECKOUT / "setup" / "install.sh"))}'
    inside = Path(sys.prefix).resolve() == made.resolve()
    if (made / 'pyvenv.cfg').exists() and not inside:
        return f'activate the environment with `{activate}`'
    return f'run `{install}`' + ('' if inside else f', then `{activate}`')


def require() -> None:
    """End the process with one line and exit code 2 if `fault` finds one."""
    if line := fault():
        sys.stderr.write(f'error: {line}\n')
        sys.exit(2)
