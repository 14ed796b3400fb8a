"""Rootstock: transfer learning on frozen TensorFlow graphs. `python -m src` shows all steps."""

import os
import sys

__version__ = '0.1.0'

# Only for commands: `python -m src...` (where argv[0] is `-m` until the module is found) and `rootstock`.
if sys.argv[:1] == ['-m'] or os.path.basename(sys.argv[0]).partition('.')[0] == 'rootstock':  # noqa: PTH119
    from src.common.process import environment, interrupts

    interrupts.say_stopped()
    environment.require()
