#!/bin/sh
# All steps offline, on a small drawn data set: install, draw, convert, train, freeze, classify, analyze.
set -e
cd "$(dirname "$0")/.."
sh setup/install.sh
. setup/python.sh
run() { echo; echo "\$ python -m $*"; "$PYTHON" -m "$@"; }
run src.drawn_dogs.draw
run src.data_preparation.stanford_ds_to_tfrecords --data data/sample --name sample --backbone frozen/pocket/pocket.pb
run src.training.train --name sample
run src.freezing.freeze --name sample
run src.inference.classify data/sample/Images/*/*_0001.jpg --name sample --top 2
run src.analysis.training_perf_analysis --name sample
echo
echo 'look at   metrics/sample/worst_mistakes.jpg and metrics/sample/confusion_matrix.png'
echo 'then try  . .venv/bin/activate'
echo '          python -m src.inference.classify YOUR_DOG.jpg     (120 real breeds, ready)'
echo '          tensorboard --logdir summary'
echo '          python -m src --name sample                       (all steps, with their commands)'
