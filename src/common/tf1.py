"""TensorFlow: imported here only, and its settings are changed here only.

    from src.common.tf1 import tf

TensorFlow takes seconds to load, so `tf` loads it at its first use: not for `--help` or a mistyped flag.

All code builds its graphs inside `with tf.Graph().as_default()` and runs them in sessions, which works with
and without TensorFlow's v2 behavior. So a program that imports Rootstock keeps its eager mode, Keras, logging
and environment. A command has the process for itself and calls `own_process`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

from src.common import errors

OPTIONAL = {'matplotlib', 'pandas', 'scipy'}


def own_process() -> None:
    """Switch the whole process to TensorFlow 1.x behavior, and without --debug silence TensorFlow's log.

    `errors.run` calls this for every command.
    """
    _TensorFlow.owned = True
    if not errors.debugging():
        os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    if _TensorFlow.loaded is not None:
        _set_up(_TensorFlow.loaded)


@contextlib.contextmanager
def _stderr_captured():
    """Capture what native code writes to file descriptor 2, and print it only if the body fails.

    TensorFlow 2.21 writes oneDNN and CUDA lines there on import whatever TF_CPP_MIN_LOG_LEVEL says.
    """
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    if sys.stderr:
        sys.stderr.flush()
    import tempfile

    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception:  # not KeyboardInterrupt
            log.seek(0)
            if sys.stderr:
                sys.stderr.write(log.read().decode('utf-8', 'replace'))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def optional_imports_skipped(*others: str):
    """Make imports of OPTIONAL and `others` fail in the body. TensorFlow then loads in half of the time.

    It imports Keras, if that is installed, only so that saved models find its optimizers. Keras uses OPTIONAL
    for data frames, sparse matrices and plots. No command needs that.
    """
    skipped = (OPTIONAL | {*others}) - sys.modules.keys()
    sys.modules.update(dict.fromkeys(skipped))  # None makes an import raise ModuleNotFoundError
    try:
        yield
    finally:
        for name in skipped:
            sys.modules.pop(name, None)


def _load() -> types.ModuleType:
    if not _TensorFlow.owned:
        import tensorflow.compat.v1 as tensorflow

        return tensorflow
    quiet = not errors.debugging()
    with _stderr_captured() if quiet else contextlib.nullcontext(), optional_imports_skipped('keras'):
        import tensorflow.compat.v1 as tensorflow

        _set_up(tensorflow)
        # The first session logs the devices.
        with tensorflow.Graph().as_default(), tensorflow.Session() as session:
            session.run(tensorflow.constant(0))
    return tensorflow


def _set_up(tensorflow: types.ModuleType) -> None:
    if not errors.debugging():
        tensorflow.logging.set_verbosity(tensorflow.logging.ERROR)
    tensorflow.disable_v2_behavior()


def variables_to_constants(function) -> tf.GraphDef:
    """The GraphDef of a concrete tf.function, with its variables as constants."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function).graph.as_graph_def()


def op_def(op: str):
    """The OpDef of a registered op; None for any other name, such as that of a function."""
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(op)


def serialized_records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, without a session. Raises tf.errors.NotFoundError for a missing file
    and DataLossError for a damaged one."""
    # tf.io.tf_record_iterator is the same, but logs that it is deprecated.
    from tensorflow.python.lib.io._pywrap_record_io import RecordIterator

    return RecordIterator(str(path), '')


class _TensorFlow(types.ModuleType):
    loaded: types.ModuleType | None = None
    owned = False

    def __getattr__(self, name: str):
        if name.startswith('__'):
            raise AttributeError(name)
        if _TensorFlow.loaded is None:
            _TensorFlow.loaded = _load()
        value = getattr(_TensorFlow.loaded, name)
        setattr(self, name, value)
        return value


tf = _TensorFlow('tf')
