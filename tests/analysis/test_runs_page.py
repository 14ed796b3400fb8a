"""The page of all runs: its content, and that it fits a window."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pandas as pd
import pytest

from src.analysis.runs import Curve, Run, read_curves
from src.analysis.runs_page import page, round_values
from src.common.tf1 import tf
from tests.browser import chromium

TEXTS = {
    'model': 'a_model_with_a_very_long_name_that_somebody_gave_it_2026_11_26',
    'data_set': 'stanford_dogs_cropped (120 classes: 12,000 train, 1,200 validation, 6,000 test)',
    'backbone': 'mobilenet_v2_1.0_224_frozen_without_any_preprocessing.pb',
    'recipe': 'stanford_dogs/inception_head',
}
NUMBERS = {
    'seconds': 12345.6,
    'epochs': 1234.5,
    'validation_top_1': 0.951,
    'validation_log_loss': 0.2949,
    'test_top_1': 0.9,
    'test_log_loss': 0.3333,
    'cross_validation_top_1': 0.9,
    'cross_validation_log_loss': 0.123,
    'seed': 1234,
}


def made(*models: str) -> str:
    """The page of runs with these names, and with long numbers and texts."""
    table = pd.DataFrame([TEXTS | NUMBERS | {'model': model} for model in models])
    steps = np.arange(10, 371, 10)
    loss = 3.3 / np.sqrt(steps)
    curves = {
        'train_log_loss': Curve(steps, loss),
        'validation_log_loss': Curve(steps, 1.2 * loss),
        'validation_accuracy': Curve(steps, 1 - loss / 2),
    }
    facts = {'counts': {'train': 10}, 'settings': {'batch_size': 10}, 'scores': {}}
    return page(table, list(TEXTS | NUMBERS), [Run(model, facts, curves) for model in models])


def test_numbers_on_the_axes_are_round():
    written = re.findall(r'<text [^>]*>([^<]*)</text>', made('one'))
    accuracy, loss = written[: written.index('300') + 1], written[written.index('300') + 1 :]
    assert accuracy == ['0%', '20%', '40%', '60%', '80%', '100%', '0', '100', '200', '300']
    assert loss == ['0', '0.2', '0.4', '0.6', '0.8', '1', '0', '100', '200', '300']


@pytest.mark.parametrize('high', [0.0007, 0.29, 1.0, 2.187, 8.01, 181.0, 12345.0])
def test_round_values(high):
    values = round_values(high)
    assert values[0] == 0 and values[-1] >= high > values[-2] and 3 <= len(values) <= 7
    assert all(len(f'{value:g}'.replace('.', '').strip('0')) <= 3 for value in values)


def test_curves_with_the_tags_of_earlier_versions_are_read(tmp_path):
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        for step, tag in enumerate(('train_error', 'curves/train_error')):
            value = tf.Summary.Value(tag=tag, simple_value=0.25)
            writer.add_summary(tf.Summary(value=[value]), step)
    curves = read_curves(tmp_path)
    assert curves['train_error'].steps.tolist() == [0, 1]
    assert curves['train_accuracy'].values.tolist() == [0.75, 0.75]


def test_names_may_wrap_after_separators_and_are_escaped():
    text = made('big_dogs/2.0-<b>')
    assert 'big_<wbr>dogs/<wbr>2.<wbr>0-&lt;b&gt;' in text
    assert 'data-value="big_dogs/2.0-&lt;b&gt;"' in text


def test_it_fits_1280_pixels(tmp_path):
    browser = chromium()
    measure = "const t = document.querySelector('.table'); document.title = t.scrollWidth - t.clientWidth"
    path = tmp_path / 'runs.html'
    text = made(TEXTS['model'], 'x' * 90, 'short').replace('</html>', f'<script>{measure}</script></html>')
    path.write_text(text, encoding='utf-8')
    options = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--window-size=1280,900']
    options += ['--disable-background-networking', f'--user-data-dir={tmp_path / "profile"}', '--dump-dom']
    dumped = subprocess.run([browser, *options, path.as_uri()], capture_output=True, text=True, check=True)
    assert '<title>0</title>' in dumped.stdout
