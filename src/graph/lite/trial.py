"""Run a .tflite model once in a process of its own: LiteRT ends the process for some damaged files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from src.common import paths
from src.common.errors import UserError

SECONDS = 60  # for loading it and one run
# `python -c` would also import from the working folder.
RUN = """
import sys
sys.path[:] = filter(None, sys.path)
from ai_edge_litert.interpreter import Interpreter
network = Interpreter(model_path=sys.argv[1], num_threads=1)
network.allocate_tensors()
network.invoke()
"""
FAILED = 1  # Python's exit code for an exception, which the caller of `require_running` gets too


def may_end() -> bool:
    """Whether this is a process of `multiprocessing`, such as those of a server: the one that started it goes
    on without it."""
    module = sys.modules.get('multiprocessing.process')  # importing it takes time
    return module is not None and module.parent_process() is not None


def require_running(path: Path) -> None:
    """Raise UserError if the model ends its process, or does not end within SECONDS."""
    command = [sys.executable, '-c', RUN, str(path)]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f'{paths.shown(path)} does not run within {SECONDS} seconds') from error
    if ended.returncode not in (0, FAILED):
        raise UserError(
            f'{paths.shown(path)} is damaged: LiteRT ends its process (exit code {ended.returncode})'
        )
