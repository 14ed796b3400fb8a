#!/bin/sh
# Download the 2015 Inception graph (89 MB) and check that it loads. Takes --mirror URL.
set -e
cd "$(dirname "$0")/.."
. setup/python.sh

download inception "$@"
"$PYTHON" -m src.graph.backbones "$("$PYTHON" -c 'from src.common import paths; print(paths.IMAGENET_GRAPH_DEF)')"
