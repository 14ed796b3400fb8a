"""Time and accuracy of training a head, compared with the 2017 tutorial and scikit-learn.

    python -m benchmarks.head --name dogs
    python -m benchmarks.head --name dogs --rounds 5 --json

Heads are trained on the training photos of some records and scored on the test photos. Contenders alternate,
and times are medians over the rounds. Vectors are in memory and TensorFlow is loaded before the clock starts.

- *tutorial*: the schedule of the 2017 tutorial that this project follows: 5,000 steps of 64 examples with
  Adam at 0.0001; each step writes histograms of all weights and scores the head, on all training and test
  photos as in its first versions, or on 1,000 and 500 as in its last one. Because that is slow, some steps
  are timed and the time is scaled to 5,000. Unlike the original it takes batches from memory and writes no
  checkpoints. Its scores are those of 5,000 steps without histograms and scoring, which are not timed.
- *ours*: `src.training.train` with its defaults or the given flags, with checkpoints, summaries and
  evaluations.
- *scikit-learn*: LogisticRegression with its default regularization (C = 1, L-BFGS) on the same vectors.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.held_out import Parts, by_head, by_peer, require_peer
from benchmarks.machine import add_rounds, machine, machine_line, rounds
from src.common import cli, consts, errors
from src.common.progress import say
from src.common.tf1 import tf
from src.engine.batches import Batches
from src.engine.learners.head import head_layers
from src.models.dense import dense_head, head_variables, probabilities
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Examples, Records, load, open_records
from src.scoring.scores import score
from src.training import train

TUTORIAL_STEPS, TUTORIAL_BATCH, TUTORIAL_RATE = 5000, 64, 0.0001
MEASURED_STEPS = 60  # of the tutorial, in each round
ALL, SAMPLES = 'tutorial, scored on all', 'tutorial, scored on samples'
OURS, PEER = 'ours', 'scikit-learn'


class Tutorial:
    """A head that is trained as in the tutorial, some steps at a time."""

    def __init__(self, task: Parts, layers: list[int], scored: dict[str, Examples]):
        self._task, self._scored = task, scored
        self._batches = Batches(np.arange(len(task['train'])), TUTORIAL_BATCH, consts.SEED)
        self._step = 0
        with tf.Graph().as_default() as graph:
            self._build(layers)
            self._session = tf.Session(graph=graph)
            self._session.run(tf.global_variables_initializer())

    def _build(self, layers: list[int]) -> None:
        tf.set_random_seed(consts.SEED)
        self._x = tf.placeholder(tf.float32, [None, layers[0]])
        self._y = tf.placeholder(tf.int32, [None])
        logits = dense_head(self._x, layers)
        self._probabilities = probabilities(logits)
        cost = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=self._y, logits=logits))
        hits = tf.nn.in_top_k(predictions=logits, targets=self._y, k=1)
        self._error = tf.summary.scalar('error', 1 - tf.reduce_mean(tf.cast(hits, tf.float32)))
        self._train = tf.train.AdamOptimizer(TUTORIAL_RATE).minimize(cost)
        histograms = [tf.summary.histogram(v.op.name, v) for v in head_variables()]
        self._summary = tf.summary.merge([tf.summary.scalar('cost', cost), *histograms])

    def step(self) -> None:
        """Run a training step, without summaries and scores."""
        self._session.run(self._train, self._next_batch())

    def watched_step(self, writer: tf.summary.FileWriter) -> None:
        """Run a training step with the tutorial's histograms and scores."""
        _, summary = self._session.run([self._train, self._summary], self._next_batch())
        writer.add_summary(summary, self._step)
        for examples in self._scored.values():
            writer.add_summary(self._session.run(self._error, self._feed(examples)), self._step)
        writer.flush()

    def run(self, steps: int) -> None:
        """Run steps of the tutorial with event files in a temporary folder."""
        with tempfile.TemporaryDirectory() as scratch, tf.summary.FileWriter(scratch) as writer:
            for _ in range(steps):
                self.watched_step(writer)

    def predict(self, examples: Examples) -> np.ndarray:
        """Probabilities [N, classes]."""
        return self._session.run(self._probabilities, {self._x: examples.values})

    def _next_batch(self) -> dict[tf.Tensor, np.ndarray]:
        rows = self._batches.rows(self._step)
        self._step += 1
        train = self._task['train']
        return {self._x: train.values[rows], self._y: train.labels[rows]}

    def _feed(self, examples: Examples) -> dict[tf.Tensor, np.ndarray]:
        return {self._x: examples.values, self._y: examples.labels}


def tutorial_predictions(task: Parts, layers: list[int]) -> np.ndarray:
    """Probabilities [N, classes] of the test photos after all steps of the tutorial."""
    tutorial = Tutorial(task, layers, {})
    for _ in range(TUTORIAL_STEPS):
        tutorial.step()
    return tutorial.predict(task['test'])


def compare(records: Records, recipe: HeadRecipe, number: int) -> list[dict]:
    """A row for each contender: median seconds, those of each of `number` rounds, and test scores."""
    task = {split: load(records, split) for split in consts.SPLITS}
    layers = head_layers(None, records)
    watched = {'train': task['train'], 'test': task['test']}
    sampled = {'train': task['train'][:1000], 'test': task['test'][:500]}
    predictions: dict[str, np.ndarray] = {}

    def keeping(name: str, contender: Callable[[], np.ndarray]) -> Callable[[], None]:
        return lambda: predictions.update({name: contender()})

    contenders = {
        ALL: partial(Tutorial(task, layers, watched).run, MEASURED_STEPS),
        SAMPLES: partial(Tutorial(task, layers, sampled).run, MEASURED_STEPS),
        OURS: keeping(OURS, lambda: by_head(task, recipe)),
        PEER: keeping(PEER, lambda: by_peer(task, len(records.classes), standardize=False)),
    }
    for name in (ALL, SAMPLES):
        contenders[name]()  # the first steps of a session are slower
    seconds = rounds(contenders, number)
    predictions[ALL] = predictions[SAMPLES] = tutorial_predictions(task, layers)
    scale = TUTORIAL_STEPS / MEASURED_STEPS
    for name in (ALL, SAMPLES):
        seconds[name] = [scale * took for took in seconds[name]]
    return [
        {
            'contender': name,
            'seconds': statistics.median(seconds[name]),
            'rounds': seconds[name],
            'scaled_from_steps': MEASURED_STEPS if name in (ALL, SAMPLES) else None,
            **score(predictions[name], task['test'].labels),
        }
        for name in contenders
    ]


def table(rows: list[dict]) -> list[str]:
    """The lines of a table: time, speedup of ours, scores."""
    ours = next(row['seconds'] for row in rows if row['contender'] == OURS)
    lines = [f'{"":<30}{"time":>10}{"speedup":>10}{"top-1":>9}{"log loss":>10}']
    for row in rows:
        faster = f'{row["seconds"] / ours:.1f} x'
        lines.append(
            f'{row["contender"]:<30}{row["seconds"]:>8.1f} s{faster:>10}'
            f'{row["top_1"]:>9.1%}{row["log_loss"]:>10.3f}'
        )
    return lines


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.head', __doc__)
    cli.add_name(made)
    cli.add_fields(made, HeadRecipe())
    add_rounds(made, 3)
    made.add_argument('--json', action='store_true', help='print all figures as JSON')
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    require_peer()
    records = open_records(args.name)
    recipe = train.recipe_of(args, records)
    rows = compare(records, recipe, args.rounds)
    if args.json:
        results = {'machine': machine(), 'data_set': args.name, 'counts': records.counts, 'rows': rows}
        json.dump(results, sys.stdout, indent=1)
        return say()
    say(machine_line())
    counts = records.counts
    say(f'{args.name}: {counts["train"]:,} training photos, {counts["test"]:,} test photos')
    for line in table(rows):
        say(line)
    say(f'tutorial: {TUTORIAL_STEPS:,} steps, scaled from {MEASURED_STEPS} in each of {args.rounds} rounds')


if __name__ == '__main__':
    errors.run(main)
