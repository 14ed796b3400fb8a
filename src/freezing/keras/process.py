"""Run Keras in a process of its own (child.py), with TensorFlow's eager mode."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from src.common import errors, files, paths
from src.common.errors import UserError
from src.freezing.keras import child

# `python -m` would also import from the working folder.
START = """
import sys
sys.path.insert(0, sys.argv[1])
from src.freezing.keras import child
child.main(sys.argv[2])
"""


def ask(folder: Path, **request: Any) -> dict[str, Any]:
    """The reply of Keras to a request; its files are in `folder`. Raises UserError when Keras refuses.

    The progress bar of a download is shown if standard error is a terminal.
    """
    files.write_json(folder / child.REQUEST, request)
    environment = os.environ | {'KERAS_BACKEND': 'tensorflow'}
    if not errors.debugging():
        environment.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    with tempfile.TemporaryFile() as log:
        # The log of TensorFlow and Keras is of use only if the process fails.
        ended = subprocess.run(
            [sys.executable, '-c', START, str(paths.PACKAGE.parent), str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if sys.stderr.isatty() else log,
            stderr=sys.stderr if errors.debugging() else log,
        )
        log.seek(0)
        text = log.read().decode('utf-8', 'replace')
    if ended.returncode < 0:
        raise UserError(
            f'the process of Keras was ended by signal {-ended.returncode}: the file is damaged, or there is '
            'not enough memory'
        )
    if ended.returncode:
        last = next(
            (line for line in reversed(text.splitlines()) if line.strip()), f'exit code {ended.returncode}'
        )
        raise RuntimeError(f'the process of Keras failed: {last}')
    reply = files.read_json(folder / child.REPLY)
    if refused := reply.get('refused'):
        raise UserError(refused)
    return reply
