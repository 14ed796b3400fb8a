"""The one place that imports TensorFlow: graph mode, and quiet unless --debug.

    from src.common.tf1 import tf

TensorFlow takes seconds to load, so `tf` loads it at its first use: `--help` and a mistyped flag
answer at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import types

from src.common import errors


@contextlib.contextmanager
def _stderr_held_back():
    """Keep what native code writes to file descriptor 2; show it only when the body fails.

    TensorFlow 2.21 writes oneDNN and CUDA lines there on import whatever TF_CPP_MIN_LOG_LEVEL says.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _load() -> types.ModuleType:
    quiet = not errors.debugging()
    if quiet:
        os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    with _stderr_held_back() if quiet else contextlib.nullcontext():
        import tensorflow.compat.v1 as tensorflow

        if quiet:
            tensorflow.logging.set_verbosity(tensorflow.logging.ERROR)
        tensorflow.disable_v2_behavior()
        # The first session makes the device factory log once more.
        with tensorflow.Graph().as_default(), tensorflow.Session() as session:
            session.run(tensorflow.constant(0))
    return tensorflow


class _TensorFlow(types.ModuleType):
    _loaded: types.ModuleType | None = None

    def __getattr__(self, name: str):
        if name.startswith('__'):
            raise AttributeError(name)
        if _TensorFlow._loaded is None:
            _TensorFlow._loaded = _load()
        value = getattr(_TensorFlow._loaded, name)
        setattr(self, name, value)
        return value


tf = _TensorFlow('tf')
