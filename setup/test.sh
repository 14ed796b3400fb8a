#!/bin/sh
# Install, then lint and run every test. REAL_DATA_DIR may name a folder with real data (CONTRIBUTING.md).
set -e
cd "$(dirname "$0")/.."
sh setup/install.sh dev,notebook,scale,serve,tensorboard
.venv/bin/ruff check .
.venv/bin/ruff format --check .
exec .venv/bin/python -m pytest "$@"
