"""Bind a backbone and a trained head, or a network from pixels, into one frozen graph.

    python -m src.freezing.freeze
    python -m src.freezing.freeze --name flowers
    python -m src.freezing.freeze --name cifar10 --model cifar10_cnn_simple

Reads checkpoints/<model>/ and the backbone that its bottlenecks came from, if any, writes frozen/<model>.pb,
and proves on real records that it answers as the backbone, as it was released, and the checkpoint do.
"""

from __future__ import annotations

import shlex
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from src import __version__
from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.files import count, human_size
from src.common.locks import at_work
from src.common.progress import next_step, say, wrote
from src.common.tf1 import tf
from src.engine import checkpoints
from src.engine.run_files import read_model, scores_of
from src.freezing.head import backbone_of, join_head, prove_head
from src.freezing.network import join_network, prove_network
from src.graph.graph_io import write_graph
from src.records.dataset import open_records
from src.records.next_commands import to_train
from src.scoring.kinds import learned_from


def freeze_model(model: str, name: str | None = None) -> tuple[Path, float, int]:
    """Freeze checkpoints/<model>, trained on the data set `name`, and prove it before the file gets its name.

    Returns the file, the largest difference found, and the number of pictures it was sought on.
    """
    trained = read_model(model, name)
    records = open_records(trained['data_set'])
    if records.manifest['fingerprint'] != trained['records']:
        raise UserError(
            f'{paths.shown(records.folder)} was converted anew since {model} was trained: '
            f'run {to_train(trained["data_set"], model)}'
        )
    checkpoint = checkpoints.best_checkpoint(paths.checkpoints(model))
    facts = checkpoint, trained['classes'], _model_info(model, trained, checkpoint)
    if trained['backbone']:
        backbone = backbone_of(trained['backbone'])
        say(f'{paths.shown(backbone.path)}: backbone loaded')
        if errors.debugging():
            say(f'rewritten for speed: {backbone.rewrites}')
        graph_def = join_head(backbone, *facts)
    else:
        graph_def = join_network(trained['settings'], *facts)
    with files.atomic_path(paths.frozen(model)) as part:
        write_graph(graph_def, part)
        if trained['backbone']:
            as_released = backbone_of(trained['backbone'], faster=False)
            gap, number = prove_head(part, as_released, checkpoint, records)
        else:
            gap, number = prove_network(part, trained['settings'], checkpoint, records)
    return paths.frozen(model), gap, number


def _model_info(model: str, trained: dict[str, Any], checkpoint: str) -> dict[str, Any]:
    return {
        'model': model,
        'data_set': trained['data_set'],
        'records': trained['records'],
        'counts': trained['counts'],
        'learned_from': learned_from(trained),
        'backbone': {key: value for key, value in (trained['backbone'] or {}).items() if key != 'path'},
        'precision': trained['precision'],
        'settings': trained['settings'],
        'scores': scores_of(model, checkpoint),
        'made': datetime.now(timezone.utc).date().isoformat(),
        'versions': {'rootstock': __version__, 'tensorflow': tf.version.VERSION},
    }


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.freezing.freeze', __doc__)
    cli.add_name(made)
    cli.add_model(made)
    args = made.parse_args(argv)
    model = cli.model_of(args).name
    with at_work(paths.checkpoints(model), goes_on=False):
        files.remove_leftovers(paths.frozen(model))
        path, gap, number = freeze_model(model, args.name)
    parts = ('backbone', 'head') if read_model(model)['backbone'] else ('network',)
    checked = f'checked on {count(number, "picture")}: same probabilities as {" and ".join(parts)}'
    say(f'{checked} in {paths.shown(paths.checkpoints(model))} (maximum difference {gap:.1e})')
    size = human_size(path.stat().st_size)
    wrote(path, f'{size}: {", ".join(("decoding", *parts))} and labels in one file')
    next_step(f'python -m src.inference.classify PHOTO.jpg --model {shlex.quote(paths.shown(path))}')


if __name__ == '__main__':
    errors.run(main)
