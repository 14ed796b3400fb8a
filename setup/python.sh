# Sourced by the setup scripts: PYTHON is the checkout's own interpreter, or else the system's.
if [ -x .venv/bin/python ]; then
    PYTHON=.venv/bin/python
else
    PYTHON=python3
fi
