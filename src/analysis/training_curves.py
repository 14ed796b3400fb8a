"""Plot the accuracy and log loss of a training run over its epochs.

    python -m src.analysis.training_curves
    python -m src.analysis.training_curves --name cifar10 --model cifar10_cnn_deep

Reads the TensorBoard event files in summary/<model>/ and writes metrics/<model>/training_curves.png, with the
curves of training and validation examples. Training examples are evaluated without augmentation. The curves
are computed during training, on some of the examples where there are many (a note below them says so). The
mark is the saved model, with its score on all validation examples.
"""

from __future__ import annotations

from pathlib import Path

from src.analysis.runs import MEASURES, PARTS, Run, read_run
from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.names import plain_name
from src.common.progress import say, wrote
from src.drawing.curves import Panel, line_charts
from src.engine.learners import learner_of
from src.records.next_commands import data_set_of
from src.scoring.kinds import learned_from


def draw(run: Run, path: Path) -> None:
    """Write the PNG `path`. Raises UserError when the run has no curves."""
    panels = panels_of(run)
    if not panels:
        raise UserError(
            f'{paths.shown(paths.summaries(run.model))} holds no curves of {run.model}: train it again with '
            '--fresh'
        )
    test = run.facts['scores'].get('test')
    tested = f', test top-1 {test["top_1"]:.1%}, log loss {test["log_loss"]:.3f}' if test else ''
    line_charts(panels, path, f'{run.model}{tested}', 'epochs', note_of(run))


def note_of(run: Run) -> str:
    """How the curves differ from the score of the saved model; '' where they do not."""
    samples, counts = learner_of(run.facts).samples, run.facts.get('counts', {})
    numbers = {
        part: sum(counts.get(split, 0) for split in learned_from(run.facts))
        if part == 'train'
        else counts.get(part, 0)
        for part in PARTS
    }
    limited = [
        f'{samples[part]:,} {words}'
        for part, words in zip(PARTS, ('training', 'validation'), strict=True)
        if f'{part}_accuracy' in run.curves and numbers[part] > samples[part]
    ]
    several = run.settings.get('views', 1) > 1
    how = [f'on up to {" and ".join(limited)} pictures'] if limited else []
    how += ['on one view of each picture'] if several else []
    calibrated = run.score('validation', 'log_loss_uncalibrated') is not None
    how += ['before calibration'] if calibrated else []
    if not how:
        return ''
    scored = '; saved model: on all validation pictures' + (', on all views' if several else '')
    scored += ', calibrated' if calibrated else ''
    known = run.score('validation', 'top_1') is not None
    return f'curves: during training, {", ".join(how)}{scored if known else ""}'


def saved_of(run: Run, measure: str) -> tuple[float, float | None, str]:
    """Epoch, score and score as text of the saved model, on all validation examples."""
    value = run.score('validation', 'top_1' if measure == MEASURES[0] else 'log_loss')
    form = '{:.1%}' if measure == MEASURES[0] else '{:.3f}'
    epoch = run.facts.get('best_step', 0) / run.steps_in_epoch
    return epoch, value, '' if value is None else form.format(value)


def panels_of(run: Run) -> list[Panel]:
    """The charts of accuracy and log loss over epochs, without those that have no curve."""
    panels = []
    for measure in MEASURES:
        curves = run.curves_of(measure)
        lines = {part: (curve.steps / run.steps_in_epoch, curve.values) for part, curve in curves.items()}
        if lines:
            panels.append(Panel(measure, lines, measure == MEASURES[0], saved_of(run, measure)))
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
    for measure in MEASURES:
        epoch, value, text = saved_of(run, measure)
        if value is not None:
            say(f'saved model (epoch {epoch:.1f}): validation {measure} {text}')
    if note := note_of(run):
        say(note)
    wrote(out, 'accuracy and log loss of training and validation')


if __name__ == '__main__':
    errors.run(main)
