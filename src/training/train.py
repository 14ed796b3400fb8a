"""Train a fully connected head on the cached bottlenecks of a data set.

    python -m src.training.train
    python -m src.training.train --name flowers --layers 512,256,5 --steps 2000

Layers, batch size, learning rate and so on come from src/common/consts.py or from flags. Writes
checkpoints/<model>/ (best and last), summary/<model>/ for TensorBoard and metrics/<model>.json with
the scores. Stops early when the validation log loss no longer falls; keeps the best weights. Stop it
at any time: the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import next_step, say, wrote
from src.common.tf1 import tf
from src.data_preparation.dataset import Examples, Records, load, open_records
from src.models.dense import dense_head, head_variables, probabilities
from src.training import loop
from src.training.batches import Batches
from src.training.scores import score, table

MODEL_FILE = 'model.json'
EVALUATIONS = 50  # about so many in a whole run
MOST_STEPS_UNEVALUATED = 100
TRAIN_SAMPLE = 2000  # training examples that train_error is measured on
EVALUATION_BATCH = 4096


@dataclass(frozen=True)
class Settings:
    """What a head depends on besides its data."""

    layers: list[int]
    steps: int = consts.STEPS
    batch_size: int = consts.BATCH_SIZE
    learning_rate: float = consts.LEARNING_RATE
    dropout: float = consts.DROPOUT
    l2: float = consts.L2
    seed: int = consts.SEED
    all_splits: bool = False


class Head:
    """A head and its training in the default graph. Bottlenecks lie in the graph, once, and batches
    are fed as row numbers: a step moves 64 integers instead of 64 bottlenecks."""

    def __init__(self, settings: Settings, examples: dict[str, Examples]):
        self.settings, self.examples = settings, examples
        starts = np.cumsum([0, *(len(e) for e in examples.values())])
        self.rows = {
            split: np.arange(a, b) for split, a, b in zip(examples, starts, starts[1:], strict=False)
        }
        self.labels = np.concatenate([e.labels for e in examples.values()])
        self._bottlenecks = np.concatenate([e.bottlenecks for e in examples.values()])
        self._build()

    def _build(self) -> None:
        s = self.settings
        self._source = tf.placeholder(tf.float32, self._bottlenecks.shape)
        local = [tf.GraphKeys.LOCAL_VARIABLES]  # not part of a checkpoint
        data = tf.Variable(self._source, trainable=False, collections=local, name='bottlenecks')
        labels = tf.Variable(self.labels, trainable=False, collections=local, name='labels')
        self.step = tf.train.get_or_create_global_step()
        self.index = tf.placeholder(tf.int64, [None], name='rows')
        x = tf.gather(data, self.index, name='x')
        with tf.variable_scope('', reuse=tf.AUTO_REUSE):
            logits = dense_head(x, s.layers, s.dropout, (s.seed, self.step), s.seed)
            self.probabilities = probabilities(dense_head(x, s.layers))
        truth = tf.gather(labels, self.index, name='y')
        self.cost = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=logits), name='cost'
        )
        decay = s.l2 * tf.add_n([tf.nn.l2_loss(v) for v in head_variables() if '/W' in v.name])
        # Half a cosine down to zero (Loshchilov and Hutter 2017, arXiv:1608.03983).
        rate = tf.train.cosine_decay(s.learning_rate, self.step, s.steps)
        self.train_op = tf.train.AdamOptimizer(rate).minimize(self.cost + decay, self.step)
        self.histograms = tf.summary.merge([tf.summary.histogram(v.op.name, v) for v in head_variables()])

    def initialise(self, session: tf.Session) -> None:
        session.run(tf.global_variables_initializer())
        session.run(tf.local_variables_initializer(), {self._source: self._bottlenecks})

    def score(self, session: tf.Session, rows: np.ndarray) -> dict[str, float]:
        chunks = [rows[i : i + EVALUATION_BATCH] for i in range(0, len(rows), EVALUATION_BATCH)]
        predicted = [session.run(self.probabilities, {self.index: chunk}) for chunk in chunks]
        return score(np.concatenate(predicted), self.labels[rows])

    def scores(self, session: tf.Session) -> dict[str, dict[str, float]]:
        """Scores of each split that has examples."""
        return {split: self.score(session, rows) for split, rows in self.rows.items() if len(rows)}

    def evaluate(self, session: tf.Session) -> dict[str, float]:
        """The scalars of TensorBoard; errors are 1 - top-1."""
        told = {'train_error': 1 - self.score(session, self.rows['train'][:TRAIN_SAMPLE])['top_1']}
        for split in ('validation', 'test'):
            if len(self.rows.get(split, ())):
                scores = self.score(session, self.rows[split])
                told |= {f'{split}_error': 1 - scores['top_1'], f'{split}_log_loss': scores['log_loss']}
        return told

    def task(self) -> loop.Task:
        batches = Batches(self.rows['train'], self.settings.batch_size, self.settings.seed)
        judged = len(self.rows.get('validation', ())) > 0
        return loop.Task(
            train_op=self.train_op,
            step=self.step,
            cost=self.cost,
            feed=lambda step: {self.index: batches.rows(step)},
            evaluate=self.evaluate,
            judge='validation_log_loss' if judged else None,
            histograms=self.histograms,
            shown=_shown,
        )


def _shown(scalars: dict[str, float]) -> str:
    if 'validation_error' not in scalars:
        return f'train top-1 {1 - scalars["train_error"]:.1%}'
    top_1, log_loss = 1 - scalars['validation_error'], scalars['validation_log_loss']
    return f'validation top-1 {top_1:.1%} log loss {log_loss:.3f}'


def train_head(
    records: Records, model: str, settings: Settings, patience: int, fresh: bool = False
) -> tuple[loop.State, dict[str, dict[str, float]]]:
    """Train, or go on training, checkpoints/<model>. Returns where it ended, and scores by split.

    Raises UserError when the model was begun with other data or settings, unless `fresh`.
    """
    folder = paths.checkpoints(model)
    _claim(folder, paths.summaries(model), _description(records, settings), fresh)
    examples = {split: load(records, split) for split in consts.SPLITS}
    if settings.all_splits:
        examples = {'train': _joined(list(examples.values()))}
    if not len(examples['train']):
        raise UserError(f'{paths.shown(records.folder)} holds no training examples: add photos')
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(settings.seed)
        head = Head(settings, examples)
        head.initialise(session)
        every = max(1, min(MOST_STEPS_UNEVALUATED, settings.steps // EVALUATIONS))
        state = loop.fit(
            session, head.task(), folder, paths.summaries(model), settings.steps, every, patience
        )
        scores = head.scores(session)
    files.write_json(paths.scores(model), _description(records, settings) | _outcome(state, scores))
    return state, scores


def head_layers(layers: Sequence[int] | None, records: Records) -> list[int]:
    """The sizes asked for, checked against backbone and classes; `consts.HEAD_MODEL_LAYERS` when
    None, whose ends then follow the data. Raises UserError on a mismatch."""
    width, classes = records.width, len(records.classes)
    if layers is None:
        return [width, *consts.HEAD_MODEL_LAYERS[1:-1], classes]
    if layers[0] != width or layers[-1] != classes:
        fitting = ','.join(map(str, [width, *layers[1:-1], classes]))
        raise UserError(
            f'layers {",".join(map(str, layers))} do not fit: the bottleneck is {width} wide and there are '
            f'{count(classes, "class", "classes")}; use --layers {fitting}'
        )
    return list(layers)


def read_model(model: str) -> dict[str, Any]:
    """What checkpoints/<model> was trained from and how. Raises UserError when it is not there."""
    path = paths.checkpoints(model) / MODEL_FILE
    if not path.exists():
        raise UserError(
            f'there is no trained model {model} ({paths.shown(path)}): run python -m src.training.train'
        )
    return files.read_json(path)


def _description(records: Records, settings: Settings) -> dict[str, Any]:
    manifest = records.manifest
    return {
        'data_set': manifest['name'],
        'records': manifest['fingerprint'],
        'classes': manifest['classes'],
        'counts': manifest['counts'],
        'backbone': manifest['backbone'],
        'precision': manifest['precision'],
        'settings': asdict(settings),
    }


def _outcome(state: loop.State, scores: dict) -> dict[str, Any]:
    return {
        'steps': state.step,
        'best_step': state.best_step,
        'ended': state.ended,
        'seconds': round(state.seconds, 1),
        'scores': scores,
    }


def _claim(folder: Path, summaries: Path, description: dict[str, Any], fresh: bool) -> None:
    """Make checkpoints/<model> this run's own."""
    path = folder / MODEL_FILE
    if path.exists() and not fresh:
        earlier = files.read_json(path)
        differing = _differing(earlier, description)
        if differing:
            raise UserError(
                f'{paths.shown(folder)} was trained with another {differing}: '
                'add --fresh to train it anew, or choose another --model'
            )
        return
    for old in (folder, summaries):
        shutil.rmtree(old, ignore_errors=True)
    files.write_json(path, description)


def _differing(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """The first thing that differs, in words; '' when nothing does."""
    for key, words in (
        ('backbone', 'backbone'),
        ('classes', 'list of classes'),
        ('records', 'set of records'),
    ):
        if earlier.get(key) != now[key]:
            return words
    for key, value in now['settings'].items():
        if earlier['settings'].get(key) != value:
            return f'{key.replace("_", " ")} ({earlier["settings"].get(key)})'
    return ''


def _joined(parts: list[Examples]) -> Examples:
    return Examples(
        [id_ for part in parts for id_ in part.ids],
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.bottlenecks for part in parts]),
    )


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.training.train', __doc__)
    cli.add_model(made)
    made.add_argument('--layers', type=cli.layer_sizes, help='units of each layer, such as 2048,1024,120')
    made.add_argument('--steps', type=cli.whole_number(1), default=consts.STEPS, help='default: %(default)s')
    made.add_argument(
        '--batch-size', type=cli.whole_number(1), default=consts.BATCH_SIZE, help='default: %(default)s'
    )
    made.add_argument(
        '--learning-rate',
        type=cli.real_number(1e-9, 10),
        default=consts.LEARNING_RATE,
        help='default: %(default)s',
    )
    made.add_argument(
        '--dropout',
        type=cli.real_number(0, 1),
        default=consts.DROPOUT,
        help='share dropped (default: %(default)s)',
    )
    made.add_argument(
        '--l2', type=cli.real_number(0, 100), default=consts.L2, help='weight decay (default: %(default)s)'
    )
    made.add_argument('--seed', type=cli.whole_number(0), default=consts.SEED, help='default: %(default)s')
    made.add_argument(
        '--patience',
        type=cli.whole_number(0),
        default=consts.PATIENCE,
        help='evaluations without a better validation log loss before it stops, 0: never (default: '
        '%(default)s)',
    )
    made.add_argument(
        '--all-splits',
        action='store_true',
        help='train on every photo, for the model that ships: no validation, no early stop, no honest score',
    )
    made.add_argument('--fresh', action='store_true', help='forget what was trained under this name')
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    model = cli.model_of(args)
    records = open_records(args.name)
    settings = Settings(
        layers=head_layers(args.layers, records),
        steps=args.steps,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        dropout=args.dropout,
        l2=args.l2,
        seed=args.seed,
        all_splits=args.all_splits,
    )
    layers = '-'.join(map(str, settings.layers))
    say(f'head {layers} on {count(sum(records.counts.values()), "bottleneck")}')
    state, scores = train_head(records, model, settings, args.patience, args.fresh)
    took = f'{count(state.step, "step")} in {state.seconds:.1f} s'
    say(f'{took}: {state.ended}; best at step {state.best_step:,}')
    for line in table(scores):
        say(line)
    wrote(paths.checkpoints(model), 'checkpoints, best and last')
    wrote(paths.summaries(model), f'tensorboard --logdir {paths.shown(paths.SUMMARY_DIR)}')
    wrote(paths.scores(model), 'scores')
    next_step('python -m src.freezing.freeze' + cli.model_flags(args))


if __name__ == '__main__':
    errors.run(main)
