"""Fine-tune a trained model: train the last layers of its backbone together with its head.

    python -m src.training.fine_tune --name flowers
    python -m src.training.fine_tune --name flowers --last-convolutions 8 --learning-rate 3e-5
    python -m src.training.fine_tune --name flowers --thaw 'block5_*' --no-cache
    python -m src.training.fine_tune --name flowers --layers

The chosen constants of the backbone become variables; everything before them stays frozen. The activations
before them are computed once for each photo and its augmented variants, and stored in
data/records/<name>/activations/ (which may be deleted afterwards), so that a step runs the trained part only;
--no-cache stores nothing and runs the whole network at each step, with new augmentation. --layers lists the
layers that can be chosen.

Starts from the head of --from (default: the data set's model). The weights before the first step are
evaluated too: where no step has a better validation log loss, the model stays as it was. Writes
checkpoints/<model>/ (best and last), summary/<model>/ for TensorBoard and metrics/<model>.json with the
scores. It may be stopped at any time: the same command goes on from there.
"""

from __future__ import annotations

import argparse
from dataclasses import fields

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.locks import at_work
from src.common.names import plain_name, resolve_trained, tuned_model_for
from src.common.progress import next_step, say
from src.engine.checkpoints import State
from src.engine.fit import fit
from src.engine.learners.start import cut_of, require_one_backbone, trained_head
from src.engine.learners.tail import Tail
from src.engine.run_files import report
from src.graph.joined.load import backbone_of
from src.graph.unfreezing.choice import NoSuchLayer, weighted_layers
from src.graph.unfreezing.cut import Cut
from src.recipes.find import USUAL_TAIL, add_recipe
from src.recipes.recipe import FineTuneRecipe
from src.records.age import to_use
from src.records.dataset import Records, open_records
from src.records.next_commands import data_set_of, to_freeze


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.training.fine_tune', __doc__, loads_graphs=True)
    recipe = add_recipe(made, USUAL_TAIL, FineTuneRecipe, argv)
    made.add_argument(
        '--name',
        dest='data_set',
        type=plain_name,
        default=recipe.data_set,
        help='data set (default: %(default)s)',
    )
    cli.add_model(made, default="the data set's model with _fine_tuned")
    made.add_argument(
        '--from',
        dest='start',
        type=resolve_trained,
        metavar='NAME|PB',
        help="model whose head it starts from (default: the data set's model)",
    )
    made.add_argument('--layers', action='store_true', help='list the layers of the backbone and end')
    cli.add_fresh(made)
    cli.add_fields(made.add_argument_group('settings of the recipe'), recipe)
    return made.parse_args(argv)


def cut_by(recipe: FineTuneRecipe, records: Records) -> Cut:
    """The cut backbone. Where the recipe matches no layer, all are listed, and UserError is raised."""
    try:
        return cut_of(recipe, records)
    except NoSuchLayer as fault:
        _list(fault.layers)
        raise


def _require_another_model(model: str, start: str) -> None:
    """Raise UserError when the files of a run would replace the model that it starts from."""
    if model == start:
        raise UserError(
            f'{model} is the model that fine-tuning starts from, which must not be replaced: choose another '
            f'--model, such as {model}_fine_tuned'
        )


def _list(layers) -> None:
    for layer in layers:
        say(f'  {layer}')


def _describe(cut: Cut, photos: int) -> None:
    weights = sum(value.size for value in cut.weights.values())
    tensors = ', '.join(f'{t.name} [{" × ".join(map(str, t.shape))}]' for t in cut.crossing)
    say(f'{paths.shown(cut.backbone.path)}: {count(weights, "weight")} thawed: {", ".join(cut.weights)}')
    say(f'cut at {tensors}; training on {count(photos, "photo")}')


def _following(state: State, name: str, model: str, start: str) -> str:
    """The next command. If no step was better than the start, says so: then it is the command for the model
    `start`."""
    if state.best_step:
        return to_freeze(name, model)
    say(
        'no step had a better validation log loss than the frozen backbone with its head: the model '
        f'kept is {start}, unchanged'
    )
    return to_use(data_set_of(start), start)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    values = {field.name: getattr(args, field.name) for field in fields(FineTuneRecipe)}
    recipe = FineTuneRecipe(**values | {'start': args.start.name if args.start else ''})
    model = args.model.name if args.model else tuned_model_for(recipe.data_set)
    records = open_records(recipe.data_set)
    if args.layers:
        require_one_backbone(records)
        return _list(weighted_layers(backbone_of(records.manifest['backbone'])))
    cut = cut_by(recipe, records)
    start = trained_head(recipe, records)
    _require_another_model(model, start.model)
    if start.mirror:
        say(f'{start.model} averages photo and mirror image; the fine-tuned model will take the photo alone')
    _describe(cut, records.counts.get('train', 0))
    with at_work(paths.checkpoints(model)):
        state, scores = fit(Tail, records, model, recipe, args.recipe, args.fresh)
    report(records, model, state, scores, Tail.monitor)
    return next_step(_following(state, recipe.data_set, model, start.model))


if __name__ == '__main__':
    errors.run(main)
