# Sourced by the setup scripts. PYTHON is the checkout's own interpreter, or else the system's;
# `download NAME` brings what src.downloads.download knows by that name.
if [ -x .venv/bin/python ]; then
    PYTHON=.venv/bin/python
elif [ -x .venv/Scripts/python.exe ]; then
    PYTHON=.venv/Scripts/python.exe
else
    PYTHON=python3
fi

download() { "$PYTHON" -m src.downloads.download "$@"; }
