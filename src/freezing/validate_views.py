"""Score a frozen model with several views of each validation photo, and note it in the file.

`classify`, `inference` and `serve` take `--views N` for models that hold this note (inference/views.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from src.common import consts, paths
from src.common.errors import UserError
from src.common.progress import say
from src.common.tf1 import tf
from src.graph.frozen import load_graph
from src.graph.graph_io import read_graph, write_graph
from src.graph.model_info import read_info, replace_info
from src.inference.from_records import from_pictures
from src.inference.runtimes.tensorflow import TensorFlowPredictor
from src.inference.views import VALIDATED
from src.records.dataset import Records
from src.scoring.scores import table, whole_score

VALIDATION = consts.SPLITS[1]


def require_unseen_photos(records: Records, learned: Sequence[str]) -> None:
    """Raise UserError unless the records hold validation photos that a model trained on the splits `learned`
    has not learned from."""
    if VALIDATION in learned:
        raise UserError(
            '--views needs validation photos that the model has not seen, and it was trained on them too'
        )
    if not records.counts.get(VALIDATION):
        raise UserError(f'--views needs validation photos, and {paths.shown(records.folder)} holds none')


def validate_views(path: Path, graph_def: tf.GraphDef, records: Records, views: Sequence[int]) -> None:
    """Score the frozen model `graph_def` at `path` on the validation photos, with one view and with each of
    `views`. Prints the scores, and writes the file again with them."""
    scores = {number: _score(path, records, number) for number in sorted({1, *views})}
    rows = {'1 view' if number == 1 else f'{number} views': values for number, values in scores.items()}
    say('validation photos, with test-time views:')
    for line in table(rows):
        say(line)
    for number, values in scores.items():
        if values['log_loss'] > scores[1]['log_loss']:
            say(f'{number} views have a higher log loss than one: leave --views {number} out')
    noted = {VALIDATED: {str(number): values for number, values in scores.items()}}
    replace_info(graph_def, read_info(graph_def) | noted)
    write_graph(graph_def, path)


def best_views(path: Path) -> int:
    """The number of views with the lowest log loss of those that a frozen file was scored with; 1 where it
    was not."""
    scores = read_info(read_graph(path)).get(VALIDATED, {})
    return int(min(scores, key=lambda number: (scores[number]['log_loss'], int(number)), default=1))


def _score(path: Path, records: Records, views: int) -> dict[str, Any]:
    with closing(TensorFlowPredictor(load_graph(path), views=views)) as predictor:
        examples = from_pictures(predictor, records, VALIDATION)
    return whole_score([(examples.values, examples.labels)])
