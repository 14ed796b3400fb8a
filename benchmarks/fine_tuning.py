"""Speed of a step of fine-tuning: activations from the cache, compared with running the whole network.

    python -m benchmarks.fine_tuning --name flowers
    python -m benchmarks.fine_tuning --name flowers --last-convolutions 8 --rounds 9

Times whole training steps (feed, forward, backward, Adam) of `src.training.fine_tune` on the records of a
data set whose head is trained, alternating in one process. Without the cache a step includes the augmentation
of its pictures, which are decoded already. The activations are computed first, where they are missing; this
is not part of a step. A line shows the median (minimum to maximum) of all rounds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.machine import add_rounds, machine_line, rounds
from src.common import cli, errors
from src.common.names import plain_name
from src.common.progress import say
from src.common.tf1 import tf
from src.engine.learners.start import cut_of
from src.engine.learners.tail import Tail
from src.engine.sources import open_source
from src.recipes.recipe import FineTuneRecipe
from src.records.dataset import Records, open_records

STEPS = 3  # in a round
CACHED, WHOLE = 'cached activations', 'whole network'


def steps_of(recipe: FineTuneRecipe, records: Records, stack: ExitStack) -> Callable[[], None]:
    """A function that runs STEPS training steps; the session is closed with `stack`."""
    recipe = Tail.settled(recipe, records)
    examples, field = Tail.examples(recipe, records), Tail.field(recipe, records)
    source = open_source(examples, recipe.learned_splits, field, recipe.batch_size, recipe.seed)
    graph = tf.Graph()
    with graph.as_default():
        learner = Tail(recipe, source, len(records.classes))
        session = stack.enter_context(tf.Session(graph=graph))
        learner.initialize(session)
    numbers = iter(range(1_000_000))

    def run() -> None:
        for _ in range(STEPS):
            session.run([learner.train_op, learner.cost], learner.feed(next(numbers)))

    return run


def measured(recipes: dict[str, FineTuneRecipe], records: Records, number: int) -> dict[str, list[float]]:
    """Milliseconds of a step in each of `number` rounds, by the name of the recipe."""
    with ExitStack() as stack:
        contenders = {name: steps_of(recipe, records, stack) for name, recipe in recipes.items()}
        for warm_up in contenders.values():
            warm_up()
        seconds = rounds(contenders, number)
    return {name: [1000 * one / STEPS for one in found] for name, found in seconds.items()}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.fine_tuning', __doc__)
    made.add_argument('--name', type=plain_name, required=True, help='data set')
    made.add_argument('--last-convolutions', type=cli.whole_number(1), default=4, help='default: %(default)s')
    made.add_argument('--batch-size', type=cli.whole_number(1), default=32, help='default: %(default)s')
    add_rounds(made, 7)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    records = open_records(args.name)
    recipes = {
        name: FineTuneRecipe(
            args.name, last_convolutions=args.last_convolutions, batch_size=args.batch_size, cache=cached
        )
        for name, cached in ((CACHED, True), (WHOLE, False))
    }
    found = measured(recipes, records, args.rounds)
    cut = cut_of(recipes[CACHED], records)
    say(machine_line())
    say(f'{cut.backbone.path.stem}, last {args.last_convolutions} convolutions, batches of {args.batch_size}')
    for name, each in found.items():
        say(f'{name:<20}{statistics.median(each):>8.0f} ms a step ({min(each):,.0f} to {max(each):,.0f})')
    ratio = statistics.median(found[WHOLE]) / statistics.median(found[CACHED])
    say(f'{ratio:.1f} × as fast with the cache')


if __name__ == '__main__':
    errors.run(main)
