# Sourced by the setup scripts. PYTHON is the checkout's own interpreter, or else the system's;
# `download NAME` brings what src.common.download knows by that name.
if [ -x .venv/bin/python ]; then
    PYTHON=.venv/bin/python
else
    PYTHON=python3
fi

download() {
    "$PYTHON" -c 'import requests, tqdm' 2>/dev/null || {
        echo 'error: Python packages are missing: run `sh setup/install.sh` or `pip install -e .` first' >&2
        exit 2
    }
    "$PYTHON" -m src.common.download "$@"
}
