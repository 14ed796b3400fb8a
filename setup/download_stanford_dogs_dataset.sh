#!/bin/sh
# Download the Stanford Dogs photos, annotations and lists (816 MB). Takes --mirror URL.
set -e
cd "$(dirname "$0")/.."
. setup/python.sh
"$PYTHON" -c 'import requests, tqdm' 2>/dev/null || {
    echo 'error: Python packages are missing: run `sh setup/demo.sh` or pip install -e . first' >&2
    exit 2
}

"$PYTHON" -m src.common.download stanford_dogs "$@"
