# Sourced by the setup scripts. PYTHON is the interpreter in .venv, or else the system's; `download NAME`
# downloads a data set or a backbone.
if [ -x .venv/bin/python ]; then
    PYTHON=.venv/bin/python
elif [ -x .venv/Scripts/python.exe ]; then
    PYTHON=.venv/Scripts/python.exe
else
    PYTHON=python3
fi

download() { "$PYTHON" -m src.downloads.download "$@"; }
