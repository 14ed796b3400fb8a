"""Test-time views of a frozen model: predictions averaged over a picture, its mirror image, and shifted ones.

A model may be used with a number of views that `freeze --views` has scored on validation photos: its
`model_info` then holds `validated_views`, the scores of the validation photos for each number of views.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.model_info import views_in
from src.models.test_time_augmentation import VIEWS, mean_over_views

if TYPE_CHECKING:
    from src.graph.frozen import FrozenGraph

VALIDATED = 'validated_views'  # in model_info
LEAST = 1e-37  # keeps the logarithm finite in float32


def add_views(made: argparse.ArgumentParser) -> None:
    """Add `--views` to a command that uses a frozen model."""
    made.add_argument(
        '--views',
        type=int,
        choices=VIEWS,
        default=1,
        help='average the predictions over so many views of each picture: 2 with its mirror image, 6 shifted '
        'by a pixel too; for models that `python -m src.freezing.freeze --views N` validated '
        '(default: %(default)s)',
    )


def require_validated(model: FrozenGraph, path: Path, views: int) -> None:
    """Raise UserError unless the model was validated with so many views, or `views` is 1; of a model that
    cannot have them as `require_pictures` does."""
    require_pictures(model, views)
    if views == 1 or str(views) in model.info.get(VALIDATED, {}):
        return
    name = shlex.quote(model.info.get('model') or path.stem)
    raise UserError(
        f'{paths.shown(path)} was not validated with {views} views: leave --views out, or run '
        f'python -m src.freezing.freeze --model {name} --views {views}'
    )


def require_pictures(model: FrozenGraph, views: int) -> None:
    """Raise UserError if `views` is not 1 and the model takes its pixels in a column, not as a picture, as
    joined backbones do."""
    if views > 1 and model.preprocessing.width == 1:
        mirrored = views_in(model.info) > 1
        raise UserError(
            f'--views {views} is for models of one backbone, and this joins several: leave --views out'
            + (' (the model averages a photo and its mirror image itself)' if mirrored else '')
        )


def mean_probabilities(rows: tf.Tensor, views: int) -> tf.Tensor:
    """Probabilities [N, classes] of those of all views, [views * N, classes] in the order of
    `test_time_augmentation.all_views`: the softmax of the weighted mean of their logarithms, which differ
    from the logits of each view by a constant."""
    if views == 1:
        return rows
    return tf.nn.softmax(mean_over_views(tf.log(tf.maximum(rows, LEAST)), views))
