"""Train a network from pixels, as a recipe says.

    python -m src.training.train_images --recipe cifar10/cnn_simple
    python -m src.training.train_images --recipe cifar10/cnn_deep --epochs 5 --model quick
    python -m src.training.train_images --list

A recipe (src/recipes/) names the data set, the network, its augmentation and its training; flags change parts
of it. Needs the records of the data set (such as those of src.data_preparation.cifar10_to_tfrecords). Writes
checkpoints/<model>/ (best and last), summary/<model>/ for TensorBoard and metrics/<model>.json with the
scores. Stop it at any time: the same command goes on where it was.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace

from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.locks import at_work
from src.common.names import model_for, plain_name
from src.common.progress import next_step, say
from src.common.tf1 import tf
from src.engine import board, loop
from src.engine.checkpoints import State
from src.engine.learners.network import Network
from src.engine.pixel_sources import open_pixels, pixel_parts
from src.engine.run_files import claim, describe_pixels, outcome, tell
from src.graph import precision
from src.models.networks import NETWORKS
from src.models.test_time_augmentation import VIEWS
from src.recipes.changes import changes
from src.recipes.find import USUAL_NETWORK, add_recipe, recipes, what
from src.recipes.recipe import OPTIMIZERS, SCHEDULES, PixelRecipe
from src.records.dataset import Records, number_of, open_records
from src.records.next_commands import to_freeze
from src.records.pixels import reader_for


def train_images(
    records: Records, model: str, recipe: PixelRecipe, name: str = '', fresh: bool = False
) -> tuple[State, dict[str, dict[str, float]]]:
    """Train, or go on training, checkpoints/<model>. Returns where it ended, and scores by split.

    Raises UserError when the model was begun with other data or settings, unless `fresh`.
    """
    changed = changes(recipe, name)
    recipe = replace(recipe, precision=precision.resolve(recipe.precision))
    description = describe_pixels(records, recipe, name) | {'changed': changed}
    claim(model, description, fresh)
    reader = reader_for(recipe.side)
    source = open_pixels(records, reader, recipe.with_validation, recipe.batch_size, recipe.seed)
    if 'train' not in source.parts:
        raise UserError(f'{paths.shown(records.folder)} holds no training pictures: add some')
    an_epoch = max(1, source.number('train') // recipe.batch_size)
    steps = max(1, round(recipe.epochs * source.number('train') / recipe.batch_size))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(recipe.seed)
        network = Network(recipe, len(records.classes), source, steps, recipe.precision)
        network.initialize(session)
        board.show_inputs(session, network, paths.summaries(model))
        folder, summaries = paths.checkpoints(model), paths.summaries(model)
        state = loop.fit(
            session, network.task(), folder, summaries, steps, min(an_epoch, steps), recipe.patience
        )
        scores = network.scores(session)
    files.write_json(paths.scores(model), description | outcome(state, scores))
    board.show_parameters(recipe, scores, paths.summaries(model))
    return state, scores


FLAGS = {
    'network': {'choices': sorted(NETWORKS), 'help': 'network'},
    'side': {'type': cli.whole_number(8), 'help': 'pixels of a side that pictures are resized to'},
    'epochs': {'type': cli.real_number(0.001, 100_000), 'help': 'how often each picture is seen'},
    'batch_size': {'type': cli.whole_number(1), 'help': 'pictures in a step'},
    'optimiser': {'choices': OPTIMIZERS, 'help': 'optimiser'},
    'learning_rate': {'type': cli.real_number(1e-9, 1e9), 'help': 'highest learning rate'},
    'momentum': {'type': cli.real_number(0, 1), 'help': 'momentum of sgd and muon'},
    'schedule': {'choices': SCHEDULES, 'help': 'schedule of the learning rate'},
    'warmup': {'type': cli.real_number(0, 1), 'help': 'share of the steps over which the rate rises'},
    'weight_decay': {'type': cli.real_number(0, 100), 'help': 'decay of the weights'},
    'label_smoothing': {'type': cli.real_number(0, 1), 'help': 'label smoothing'},
    'averaging': {
        'type': cli.real_number(0, 1),
        'help': 'EMA decay of the weights, 0: none',
    },
    'crop': {'type': cli.whole_number(0), 'help': 'pixels that pictures are moved by, at most'},
    'cutout': {'type': cli.whole_number(0), 'help': 'side of a square that is greyed out'},
    'flip': {'action': argparse.BooleanOptionalAction, 'help': 'mirror half of the pictures'},
    'views': {
        'type': int,
        'choices': VIEWS,
        'help': 'test-time augmentation: average over so many views (mirrored, shifted by a pixel)',
    },
    'precision': {'choices': precision.CHOICES, 'help': 'what training computes in'},
    'patience': {
        'type': cli.whole_number(0),
        'help': 'epochs without a better validation error before it stops, 0: never',
    },
    'with_validation': {
        'action': argparse.BooleanOptionalAction,
        'help': 'train on the validation pictures too',
    },
    'seed': {'type': cli.whole_number(0), 'help': 'random seed'},
}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.training.train_images', __doc__)
    recipe = add_recipe(made, USUAL_NETWORK, PixelRecipe, argv)
    made.add_argument('--list', action='store_true', help='name all recipes and end')
    made.add_argument(
        '--name', dest='data_set', type=plain_name, default=recipe.data_set, help='default: %(default)s'
    )
    cli.add_model(made, default="the recipe's name, with _ for /")
    made.add_argument(
        '--fresh', action='store_true', help='delete what was trained under this name, and train anew'
    )
    group = made.add_argument_group('parts of the recipe')
    for name, options in FLAGS.items():
        default = getattr(recipe, name)
        options = options | {'help': f'{options["help"]} (default: {default})'.replace('%', '%%')}
        group.add_argument('--' + name.replace('_', '-'), default=default, **options)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.list:
        for name, recipe in recipes().items():
            if isinstance(recipe, PixelRecipe):
                say(f'{name:<30} {what(name)}')
        return
    recipe = PixelRecipe(**{field.name: getattr(args, field.name) for field in fields(PixelRecipe)})
    model = args.model.name if args.model else model_for(recipe.data_set, args.recipe)
    records = open_records(recipe.data_set)
    say(f'{recipe.network} on {records_line(records, recipe)}')
    with at_work(paths.checkpoints(model)):
        state, scores = train_images(records, model, recipe, args.recipe, args.fresh)
    tell(records, model, state, scores)
    next_step(to_freeze(recipe.data_set, model))


def records_line(records: Records, recipe: PixelRecipe) -> str:
    learned = number_of(records, pixel_parts(records, recipe.with_validation)['train'])
    return f'{count(learned, "picture")} of {count(len(records.classes), "class", "classes")}'


if __name__ == '__main__':
    errors.run(main)
