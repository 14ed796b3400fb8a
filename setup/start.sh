#!/bin/sh
# Run TensorBoard and Jupyter Lab until Jupyter ends; the container's command. Settings: NOTEBOOK_PORT,
# TENSORBOARD_PORT, ADDRESS (default: this machine only) and JUPYTER_TOKEN (default: a new one, printed).
set -e
cd "$(dirname "$0")/.."
. setup/python.sh
sh setup/create_dirs.sh

: "${ADDRESS:=127.0.0.1}" "${NOTEBOOK_PORT:=8888}" "${TENSORBOARD_PORT:=6006}"
if [ -z "$JUPYTER_TOKEN" ]; then
    JUPYTER_TOKEN=$("$PYTHON" -c 'import secrets; print(secrets.token_hex(24))')
    shown="?token=$JUPYTER_TOKEN"
fi
export JUPYTER_TOKEN  # not as an argument, which all users could see

board= lab=
trap 'kill $board 2>/dev/null && wait $board || :' EXIT
trap 'kill $lab 2>/dev/null || exit 143' HUP INT TERM

logs=$("$PYTHON" -c 'from src.common import paths; print(paths.SUMMARY_DIR)')
"$PYTHON" -m tensorboard.main --logdir "$logs" --host "$ADDRESS" --port "$TENSORBOARD_PORT" &
board=$!
"$PYTHON" -m jupyterlab --no-browser --ip="$ADDRESS" --port="$NOTEBOOK_PORT" --ServerApp.port_retries=0 \
    --ServerApp.root_dir="$PWD" --LabApp.default_url=/lab/tree/notebooks &
lab=$!

echo "TensorBoard: http://localhost:$TENSORBOARD_PORT"
echo "Jupyter Lab: http://localhost:$NOTEBOOK_PORT/lab$shown"

# A signal ends `wait` at once; Jupyter takes a moment to stop its kernels.
status=0
while kill -0 "$lab" 2>/dev/null; do
    wait "$lab" && status=0 || status=$?
done
exit "$status"
