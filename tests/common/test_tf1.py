"""A program that imports Rootstock keeps its TensorFlow settings; a command changes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from src.common import paths, tf1
from src.inference.classify import classify
from tests.pictures import encoded, photo

# A program of somebody else: it trains a Keras model in eager mode and looks at TensorFlow's settings.
PROGRAM = """
import json, os, sys

def settings():
    from tensorflow.python import tf2
    from tensorflow.python.framework import tensor, tensor_shape
    from tensorflow.python.ops import control_flow_util
    v1 = tf.compat.v1
    return {
        'eager': tf.executing_eagerly(),
        'v2': [tf2.enabled(), v1.resource_variables_enabled(), control_flow_util.ENABLE_CONTROL_FLOW_V2],
        'shapes and equality': [tensor_shape._TENSORSHAPE_V2_OVERRIDE, tensor.Tensor._USE_EQUALITY],
        'verbosity': v1.logging.get_verbosity(),
        'environment': dict(os.environ),
        'stderr': [os.fstat(2).st_dev, os.fstat(2).st_ino],
    }

def train():
    tf.keras.utils.set_random_seed(1)
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(2), tf.keras.layers.Dense(1)])
    model.compile('adam', 'mse')
    x = tf.reshape(tf.range(30.0), [10, 3])
    history = model.fit(x, tf.reduce_sum(x, 1, keepdims=True), epochs=2, verbose=0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(x) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    return [*history.history['loss'], *(g.numpy().sum().item() for g in gradients)]

def answer():
    from src.inference.classify import classify
    return classify('file', sys.argv[2]).head(2).to_dict('list')

if sys.argv[1] == 'tensorflow first':
    import tensorflow as tf
    before, losses = settings(), train()
    answered = answer()
else:
    environment = dict(os.environ)
    answered = answer()
    added = {key for key in os.environ if os.environ[key] != environment.get(key)}
    import tensorflow as tf
    before, losses = settings(), train()
result = {'answered': answered, 'same': train() == losses, 'before': before, 'after': settings()}
if sys.argv[1] != 'tensorflow first':
    result['log level set'] = 'TF_CPP_MIN_LOG_LEVEL' in added
print(json.dumps(result))
"""


@pytest.fixture(scope='module')
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp('pictures') / 'a.jpg'
    path.write_bytes(encoded(photo(120, 90), 'JPEG'))
    return path


@pytest.mark.parametrize('order', ['tensorflow first', 'rootstock first'])
def test_a_program_keeps_its_tensorflow_as_it_was(order, picture, tmp_path):
    clean = {k: v for k, v in os.environ.items() if k not in ('TF_CPP_MIN_LOG_LEVEL', 'ROOTSTOCK_DEBUG')}
    ended = subprocess.run(
        [sys.executable, '-c', PROGRAM, order, str(picture)],
        cwd=tmp_path,
        env={**clean, 'PYTHONPATH': str(paths.CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert result['same']  # the losses and gradients of two trainings, with and without us before
    assert result['after'] == result['before']
    assert result['before']['eager'] and all(result['before']['v2'])
    assert not result.get('log level set')
    assert 'src/' not in ended.stderr  # no deprecation warning of ours
    wanted = classify('file', picture).head(2)
    assert result['answered']['breed'] == list(wanted.breed)
    assert result['answered']['prob'] == pytest.approx(list(wanted.prob), abs=1e-6)


def test_no_command_loads_tensorflow_before_its_arguments_are_checked():
    # errors.run keeps TensorFlow's own log quiet, so it must come first; and --help answers at once.
    code = (
        'import importlib, sys\nfrom src.common.commands import COMMANDS\n'
        'for command in COMMANDS.values():\n'
        '    importlib.import_module(command.module)\n'
        '    if "tensorflow" in sys.modules: sys.exit(command.module)'
    )
    result = subprocess.run([sys.executable, '-c', code], cwd=paths.CHECKOUT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize('stop, shown', [(KeyboardInterrupt, ''), (ImportError, 'why it failed\n')])
def test_the_log_of_loading_tensorflow_is_shown_if_it_fails_but_not_after_ctrl_c(capfd, stop, shown):
    with pytest.raises(stop), tf1._stderr_captured():
        os.write(2, b'why it failed\n')
        raise stop
    assert capfd.readouterr().err == shown
