#!/bin/sh
# Create the folders that the commands write to.
set -e
cd "$(dirname "$0")/.."
. setup/python.sh

"$PYTHON" -c 'from src.common import paths; [p.mkdir(parents=True, exist_ok=True) for p in paths.WORK_DIRS]'
