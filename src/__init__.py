"""Rootstock: transfer learning on frozen TensorFlow graphs. `python -m src` shows the way."""

import os
import sys

__version__ = '0.1.0'

# A command starts here: `python -m src...` (`-m` stands there until the module is found) or `rootstock`.
if sys.argv[:1] == ['-m'] or os.path.basename(sys.argv[0]).partition('.')[0] == 'rootstock':  # noqa: PTH119
    from src.common import environment

    environment.require()
