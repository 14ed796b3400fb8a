#!/bin/sh
# Make .venv if need be and install what the project needs; the extras are the first argument.
set -e
cd "$(dirname "$0")/.."
[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c setup/constraints.txt -e ".[${1:-tensorboard}]"
