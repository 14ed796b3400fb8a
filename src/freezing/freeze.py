"""Join a backbone and a trained head, or a network that learned from pixels, into one frozen graph.

    python -m src.freezing.freeze
    python -m src.freezing.freeze --name flowers
    python -m src.freezing.freeze --name cifar10 --model cifar10_cnn_simple
    python -m src.freezing.freeze --name flowers --views 2

Reads checkpoints/<model>/ and the backbone that its bottlenecks came from, if any, and writes
frozen/<model>.pb. Before the file gets its name it is compared with the backbone as it was released and the
checkpoint, on real records.

A model that was trained on int8 bottlenecks gets frozen/<model>.tflite too, the file to ship: the int8
backbone and the head. The .pb beside it has the backbone in float32; what that changes is printed.

--views N also scores it on the validation photos with N views of each photo: 2 are the photo and its mirror
image, 6 shifted by a pixel too. `classify`, `inference` and `serve` then take `--views N` for this model.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.files import count, human_size
from src.common.locks import at_work
from src.common.progress import next_step, say, wrote
from src.engine import checkpoints
from src.engine.learner import TrainedGraph
from src.engine.learners import learner_of
from src.engine.run_files import read_model, scores_of
from src.freezing.int8 import int8_backbone, lite_path, report, ships_lite, write_lite
from src.freezing.join import join
from src.freezing.proof import pictures_of, prove
from src.freezing.validate_views import best_views, require_unseen_photos, validate_views
from src.graph.graph_io import write_graph
from src.graph.joined.facts import joined, members, without_path
from src.graph.mirroring import BOTH_VIEWS
from src.graph.model_info import VIEWS_KEY, origin
from src.models.test_time_augmentation import VIEWS
from src.records.dataset import open_records
from src.records.manifest import belongs
from src.records.next_commands import to_train
from src.scoring.kinds import learned_from


def freeze_model(model: str, name: str | None = None, views: Sequence[int] = ()) -> tuple[Path, float, int]:
    """Freeze checkpoints/<model>, trained on the data set `name`, and prove it before the file gets its name.

    With `views` it is also scored with these numbers of views of each validation photo.

    Returns the file, the maximum absolute difference of a probability, and the number of pictures compared.
    Raises UserError when there is no such model, when its records or backbone have changed, and for `views`
    without validation photos that the model has not seen.
    """
    facts = read_model(model, name)
    records = open_records(facts['data_set'])
    if not belongs(records.manifest, facts['records']):
        raise UserError(
            f'{paths.shown(records.folder)} was converted anew since {model} was trained: '
            f'run {to_train(facts["data_set"], model)}'
        )
    if views:
        require_unseen_photos(records, learned_from(facts))
    backbone = int8_backbone(model, facts, records)
    checkpoint = checkpoints.best_checkpoint(paths.checkpoints(model))
    learner = learner_of(facts)
    trained = learner.trained_graph(facts, checkpoint)
    _report_backbone(trained)
    graph_def = join(trained, facts['classes'], _model_info(model, facts, checkpoint))
    with files.atomic_path(paths.frozen(model)) as part:
        write_graph(graph_def, part)
        reference = learner.trained_graph(facts, checkpoint, as_released=True)
        difference, number = prove(
            part, reference, pictures_of(records), len(records.classes), paths.shown(checkpoint)
        )
        if views:
            validate_views(part, graph_def, records, views)
        if backbone:
            with files.atomic_path(lite_path(model)) as lite:
                report(write_lite(lite, backbone, part, graph_def, records))
    return paths.frozen(model), difference, number


def _report_backbone(trained: TrainedGraph) -> None:
    backbone = getattr(trained, 'backbone', None)
    for one in (backbone.joined or [backbone]) if backbone else ():
        say(f'{paths.shown(one.path)}: backbone loaded')
        if errors.debugging():
            say(f'rewritten for speed: {one.rewrites}')


def _model_info(model: str, facts: dict[str, Any], checkpoint: str) -> dict[str, Any]:
    return {
        'model': model,
        'data_set': facts['data_set'],
        'records': facts['records'],
        'counts': facts['counts'],
        'learned_from': learned_from(facts),
        'backbone': joined([without_path(one) for one in members(facts['backbone'])] or [{}]),
        'precision': facts['precision'],
        'settings': facts['settings'],
        'scores': scores_of(model, checkpoint),
        'calibration': checkpoints.calibration_of(checkpoint).facts,
        **({VIEWS_KEY: BOTH_VIEWS} if facts['settings'].get('mirror') else {}),
    } | origin()


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.freezing.freeze', __doc__, loads_graphs=True)
    cli.add_name(made)
    cli.add_model(made)
    made.add_argument(
        '--views',
        type=int,
        nargs='+',
        action='extend',
        choices=VIEWS[1:],
        default=[],
        help='score with so many views of each validation photo too; several numbers may be given',
    )
    args = made.parse_args(argv)
    model = cli.model_of(args).name
    with at_work(paths.checkpoints(model), goes_on=False):
        files.remove_leftovers(paths.frozen(model))
        files.remove_leftovers(lite_path(model))
        path, difference, number = freeze_model(model, args.name, args.views)
    facts = read_model(model)
    parts = learner_of(facts).parts
    checked = f'checked on {count(number, "picture")}: same probabilities as {" and ".join(parts)}'
    say(f'{checked} in {paths.shown(paths.checkpoints(model))} (maximum difference {difference:.1e})')
    size = human_size(path.stat().st_size)
    wrote(path, f'{size}: {", ".join(("decoding", *parts))} and labels in one file')
    best = best_views(path) if args.views else 1
    viewed = f' --views {best}' if best > 1 else ''
    if ships_lite(facts):
        size = human_size(lite_path(model).stat().st_size)
        wrote(lite_path(model), f'{size}: the same with the int8 backbone, to ship')
        path = path if viewed else lite_path(model)
    next_step(f'python -m src.inference.classify PHOTO.jpg --model {shlex.quote(path.stem)}{viewed}')


if __name__ == '__main__':
    errors.run(main)
