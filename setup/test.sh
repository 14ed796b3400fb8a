#!/bin/sh
# Install, lint, and run all tests. REAL_DATA_DIR may name a folder with real data (see CONTRIBUTING.md).
set -e
cd "$(dirname "$0")/.."
sh setup/install.sh dev,notebook,scale,serve,tensorboard
. setup/python.sh
unset PYTHONDONTWRITEBYTECODE # the tests start many processes: each would compile all modules again
"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
exec "$PYTHON" -m pytest -n 3 --dist loadfile "$@"
