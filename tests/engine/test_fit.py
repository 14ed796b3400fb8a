"""A learner of a third kind of example trains through the code that heads and networks share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from src.common import consts, files, paths
from src.common.tf1 import tf
from src.engine import sources
from src.engine.fit import fit
from src.engine.learner import Learner
from src.records.dataset import open_records
from src.records.example import bytes_feature, float_feature, shard_name, write_shard
from src.records.fields import Field

CLASSES = ['left', 'right']
SIDE, CHANNELS = 4, 3
FIELD = 'activations'
COUNTS = {'train': 120, 'validation': 30}


def activations(width: int) -> np.ndarray:
    """[SIDE, SIDE, CHANNELS] float16; the half with the larger values gives the class."""
    values = np.random.default_rng(width).normal(0, 1, (SIDE, SIDE, CHANNELS))
    values[:, : SIDE // 2] += 1.0 if width % 2 == 0 else -1.0
    return values.astype(np.float16)


@pytest.fixture(scope='module')
def records():
    """Records of activations at a cut of a network, in float16, which no command writes yet."""
    folder, shards = paths.records('cut'), []
    folder.mkdir(parents=True)
    for split, number in COUNTS.items():
        examples = []
        for i in range(number):
            seed = i + (1000 if split == 'validation' else 0)
            feature = {
                consts.ID_FIELD: bytes_feature(f'{split}/{i}'.encode()),
                FIELD: bytes_feature(activations(seed).tobytes()),
                consts.LABEL_ONE_HOT_FIELD: float_feature(np.eye(2, dtype=np.float32)[seed % 2]),
            }
            features = tf.train.Features(feature=feature)
            examples.append(tf.train.Example(features=features).SerializeToString())
        shards.append(shard_name(split, 0, 1))
        write_shard(folder / shards[-1], examples)
    manifest = {
        'name': 'cut', 'classes': CLASSES, 'backbone': None, 'precision': None, 'counts': COUNTS,
        'untrained': [], 'shards': shards, 'fingerprint': 'f', 'complete': True,
    }  # fmt: skip
    files.write_json(folder / 'manifest.json', manifest)
    return open_records('cut')


@dataclass(frozen=True)
class TailRecipe:
    """Settings of `Tail`."""

    data_set: str = 'cut'
    steps: int = 60
    batch_size: int = 16
    patience: int = 0
    seed: int = 1

    @property
    def learned_splits(self) -> tuple[str, ...]:
        return ('train',)


class Tail(Learner):
    """One convolution and a mean over the map: what fine-tuning would train behind a cut."""

    kind = 'tail'
    samples = {'train': 50, 'validation': 50}  # noqa: RUF012
    monitor = 'validation_log_loss'
    steps, evaluate_every = 60, 20

    @classmethod
    def field(cls, recipe, records):
        shape = (SIDE, SIDE, CHANNELS)

        def decode(parsed):
            return np.stack([np.frombuffer(one, np.float16).reshape(shape) for one in parsed])

        feature = tf.FixedLenFeature([], tf.string)
        return Field('activations', shape, np.float16, {FIELD: feature}, 2 * SIDE * SIDE * CHANNELS, decode)

    @classmethod
    def facts(cls, recipe, records):
        return {'backbone': None, 'precision': 'float32'}

    def build(self):
        self.x = tf.placeholder(tf.float16, [None, SIDE, SIDE, CHANNELS])
        self.labels = tf.placeholder(tf.int32, [None])
        filters = tf.get_variable('tail/W', [SIDE, SIDE, CHANNELS, self.classes])
        logits = tf.reduce_mean(tf.nn.conv2d(tf.cast(self.x, tf.float32), filters, 1, 'VALID'), [1, 2])
        self.probabilities = tf.nn.softmax(logits)
        self.cost = tf.losses.sparse_softmax_cross_entropy(self.labels, logits)
        self.train_op = tf.train.AdamOptimizer(0.05).minimize(self.cost, self.step)
        self.histograms = None

    def feed(self, step):
        values, labels = self.source.batch(step)
        return {self.x: values, self.labels: labels}

    def predict(self, session, examples):
        return session.run(self.probabilities, {self.x: examples.values})


@pytest.mark.parametrize('most', [consts.MAX_EXAMPLE_BYTES, 0], ids=['in memory', 'streamed'])
def test_a_learner_of_activations_trains_and_resumes(records, monkeypatch, most):
    monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', most)
    opened = []
    open_source = sources.open_source
    monkeypatch.setattr(
        'src.engine.fit.open_source', lambda *given: opened.append(open_source(*given)) or opened[0]
    )
    state, scores = fit(Tail, records, f'tail_{most}', TailRecipe())
    assert type(opened[0]).__name__ == ('InMemory' if most else 'Streamed')
    assert opened[0].first('train', 3).values.dtype == np.float16
    assert state.step == 60 and scores.keys() == {'train', 'validation'}
    assert scores['validation']['top_1'] >= 0.9
    described = files.read_json(paths.checkpoints(f'tail_{most}') / 'model.json')
    assert described['learner'] == 'tail' and described['learned_from'] == ['train']
    again, _ = fit(Tail, records, f'tail_{most}', TailRecipe())
    assert again.best_step == state.best_step
