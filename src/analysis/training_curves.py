"""Plot the accuracy and log loss of a training run over its epochs.

    python -m src.analysis.training_curves
    python -m src.analysis.training_curves --name cifar10 --model cifar10_cnn_deep

Reads the TensorBoard event files in summary/<model>/ and writes metrics/<model>/training_curves.png, with the
curves of training and validation examples. Training examples are evaluated without augmentation.
"""

from __future__ import annotations

from pathlib import Path

from src.analysis.runs import MEASURES, Run, read_run
from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.names import plain_name
from src.common.progress import say, wrote
from src.drawing.curves import Panel, line_charts
from src.records.next_commands import data_set_of


def draw(run: Run, path: Path) -> None:
    """Write the PNG `path`. Raises UserError when the run has no curves."""
    panels = panels_of(run)
    if not panels:
        raise UserError(
            f'{paths.shown(paths.summaries(run.model))} holds no curves of {run.model}: train it again with '
            '--fresh'
        )
    top_1 = run.facts['scores'].get('test', {}).get('top_1')
    tested = f', test top-1 {top_1:.1%}' if top_1 is not None else ''
    line_charts(panels, path, f'{run.model}{tested}', 'epochs')


def panels_of(run: Run) -> list[Panel]:
    """The charts of accuracy and log loss over epochs, without those that have no curve."""
    panels = []
    for measure in MEASURES:
        curves = run.curves_of(measure)
        lines = {part: (curve.steps / run.steps_in_epoch, curve.values) for part, curve in curves.items()}
        if lines:
            panels.append(Panel(measure, lines, percent=measure == 'accuracy'))
    return panels


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.analysis.training_curves', __doc__)
    made.add_argument(
        '--name', type=plain_name, help='data set (default: the one that the model was trained on)'
    )
    cli.add_model(made)
    made.add_argument('--out', type=Path, metavar='PNG', help='default: metrics/<model>/training_curves.png')
    args = made.parse_args(argv)
    args.name = data_set_of(args.model and args.model.name, args.name)
    run = read_run(cli.model_of(args).name, args.name)
    out = args.out or paths.analysis(run.model) / 'training_curves.png'
    draw(run, out)
    epochs = run.facts.get('best_step', 0) / run.steps_in_epoch
    for measure, words in (('top_1', 'accuracy {:.1%}'), ('log_loss', 'log loss {:.4f}')):
        value = run.score('validation', measure)
        if value is not None:
            say(f'saved model (epoch {epochs:.1f}): validation {words.format(value)}')
    wrote(out, 'accuracy and log loss of training and validation')


if __name__ == '__main__':
    errors.run(main)
