#!/bin/sh
# Download the 2015 Inception graph (89 MB) and see that it loads. Takes --mirror URL.
set -e
cd "$(dirname "$0")/.."
. setup/python.sh
"$PYTHON" -c 'import requests, tqdm' 2>/dev/null || {
    echo 'error: Python packages are missing: run `sh setup/demo.sh` or pip install -e . first' >&2
    exit 2
}

"$PYTHON" -m src.common.download inception "$@"
"$PYTHON" -m src.graph.backbones "$("$PYTHON" -c 'from src.common import paths; print(paths.IMAGENET_GRAPH_DEF)')"
