"""The map: every step in order, its command, and what is there now.

python -m src
python -m src --name flowers
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from src.common import cli, consts, errors, paths
from src.common.progress import say


def steps(name: str, model: str) -> Iterator[tuple[str, str, Path]]:
    """(what it does, command, what it leaves behind) of each step for a data set and its model."""
    flag = cli.name_flag(name)
    if name == consts.CURRENT_DATASET_NAME:
        yield 'get photos and the backbone', 'sh setup/setup.sh', paths.STANFORD_DS_DIR / 'Images'
        convert = 'python -m src.data_preparation.stanford_ds_to_tfrecords'
    elif name == 'sample':
        yield (
            'draw the sample',
            'python -m src.data_preparation.sample_dataset',
            paths.SAMPLE_DS_DIR / 'Images',
        )
        convert = 'python -m src.data_preparation.stanford_ds_to_tfrecords --data data/sample --name sample'
    else:
        convert = f'python -m src.data_preparation.image_folder_to_tfrecords DIR --name {name}'
    yield 'photos to bottleneck records', convert, paths.records(name) / 'manifest.json'
    yield 'train the head', f'python -m src.training.train{flag}', paths.scores(model)
    yield 'freeze backbone and head', f'python -m src.freezing.freeze{flag}', paths.frozen(model)
    yield (
        'name a picture',
        f'python -m src.inference.classify file PHOTO.jpg{flag}',
        paths.frozen(model),
    )
    yield (
        'look at the mistakes',
        f'python -m src.analysis.training_perf_analysis{flag}',
        paths.analysis(model) / 'training_confusion.csv',
    )
    yield (
        'export for TensorFlow Serving',
        f'python -m src.freezing.frozen_to_saved_model{flag}',
        paths.SAVED_MODELS_DIR / model,
    )


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src', __doc__)
    cli.add_model(made)
    args = made.parse_args(argv)
    model = cli.model_of(args)
    say(f'data set {args.name}, model {model}    [x] is there, [ ] is not yet')
    todo = ''
    for number, (what, command, output) in enumerate(steps(args.name, model), 1):
        there = output.exists()
        todo = todo or ('' if there else command)
        say()
        say(f'{number}. [{"x" if there else " "}] {what:<32} {paths.shown(output)}')
        say(f'       {command}')
    say()
    say(f'summaries   tensorboard --logdir {paths.shown(paths.SUMMARY_DIR)}')
    say(f'all at once sh setup/demo.sh    offline, on {paths.shown(paths.SAMPLE_DS_DIR)}')
    if todo:
        say(f'next        {todo}')


if __name__ == '__main__':
    errors.run(main)
