#!/bin/sh
# Create .venv if it is missing, and install the project with LiteRT (where it has wheels) and the extras in the
# first argument. An environment whose creation was interrupted is repaired, or created again.
set -e
cd "$(dirname "$0")/.."

supported() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; }

inside() {  # the environment's interpreter
    if [ -d .venv/Scripts ]; then .venv/Scripts/python "$@"; else .venv/bin/python "$@"; fi
}

# An interrupted installation of pip lacks the list of its files, which is written last, or some of the files.
has_pip() {
    inside -c '
import importlib.metadata as m, sys
listed = m.files("pip") or sys.exit(1)
sys.exit(not all(file.locate().exists() for file in listed if file.suffix != ".pyc"))' 2>/dev/null
}

has_tensorflow() { inside -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("tensorflow"))'; }

make_environment() {
    python=${PYTHON:-python3}
    if ! supported "$python"; then
        found=$("$python" --version 2>/dev/null) && found="this is $found" || found="there is no $python"
        for other in python3.13 python3.12 python3.11 python3.10 python3; do
            if supported "$other"; then break; fi
        done
        supported "$other" || other='/path/to/python3.12'
        echo "error: $found, Python 3.10 to 3.13 is needed: run PYTHON=$other sh setup/install.sh" >&2
        exit 2
    fi
    "$python" -m venv "$@" .venv
}

if [ ! -e .venv ]; then
    make_environment
elif [ ! -e .venv/pyvenv.cfg ] && [ -n "$(find .venv/ -type f | head -n 1)" ]; then
    echo 'error: .venv is not a Python environment: move it away, then repeat' >&2
    exit 2
elif ! supported inside; then
    echo '.venv is not complete, or its Python is missing or not supported: creating it again'
    make_environment --clear
elif ! has_pip; then
    echo '.venv is not complete: repairing it'
    inside -m ensurepip >/dev/null 2>&1 || :
    has_pip || has_tensorflow || make_environment --clear
fi

quiet=--quiet
if ! has_tensorflow; then
    echo 'installing TensorFlow and other packages into .venv: 1 to 5 minutes, about 2.5 GB on the disk'
    if [ -t 1 ]; then quiet=; fi
fi
inside -m pip install $quiet --disable-pip-version-check -c setup/constraints.txt -e ".[lite,${1:-tensorboard}]"
