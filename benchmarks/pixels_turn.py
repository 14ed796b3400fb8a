"""Rootstock's half of `benchmarks.pixels`.

python -m benchmarks.pixels_turn cnn_deep bfloat16 128 8
"""

from __future__ import annotations

import json
import sys

from benchmarks.pixels import rate

if __name__ == '__main__':
    network, computes_in, batch, seconds = sys.argv[1:]
    print(json.dumps({'rate': rate(network, computes_in, int(batch), float(seconds))}))
