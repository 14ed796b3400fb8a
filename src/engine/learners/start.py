"""What fine-tuning starts from: the backbone of the records, cut before the chosen layers, and a trained
head."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from src.common import files, paths
from src.common.errors import UserError
from src.common.names import model_for
from src.engine import checkpoints
from src.engine.learners.head import checkpoint_layers
from src.engine.run_files import read_model
from src.graph.joined.load import backbone_of
from src.graph.unfreezing.choice import last_convolutions, matching, weighted_layers
from src.graph.unfreezing.cut import Cut, cut_before
from src.recipes.recipe import FineTuneRecipe
from src.records.dataset import Records


@dataclass(frozen=True)
class TrainedHead:
    """The head of a model: the best checkpoint, and its layer sizes."""

    model: str
    checkpoint: str
    layers: list[int]
    mirror: bool = False  # whether the model averages a picture and its mirror image

    @property
    def sha256(self) -> str:
        """Of the weights."""
        return files.sha256(Path(f'{self.checkpoint}.data-00000-of-00001'))


def trained_head(recipe: FineTuneRecipe, records: Records) -> TrainedHead:
    """The head that the recipe starts from. Raises UserError when there is none, or when it was trained on
    other classes or another backbone."""
    name = records.manifest['name']
    model = recipe.start or model_for(name)
    facts = read_model(model, name)
    if facts.get('learner', 'head') != 'head' or facts['backbone'] is None:
        raise UserError(f'{model} is no head on a backbone: choose one with --from, or train it first')
    if facts['classes'] != records.classes:
        raise UserError(f'{model} was trained on other classes than {paths.shown(records.folder)} holds')
    ours, theirs = records.manifest['backbone'], facts['backbone']
    if any(ours[key] != theirs[key] for key in ('sha256', 'bottleneck')):
        raise UserError(
            f'{model} was trained on another backbone ({theirs["file"]}) than that of '
            f'{paths.shown(records.folder)} ({ours["file"]}): choose another --from'
        )
    checkpoint = checkpoints.best_checkpoint(paths.checkpoints(model))
    mirror = facts['settings'].get('mirror', False)
    return TrainedHead(model, checkpoint, checkpoint_layers(checkpoint), mirror)


def require_one_backbone(records: Records) -> None:
    """Raise UserError for records without bottlenecks, and for those of several backbones."""
    records.width  # noqa: B018  (raises for records without bottlenecks)
    if 'joined' in (backbone := records.manifest['backbone']):
        raise UserError(
            f'{paths.shown(records.folder)} holds the bottlenecks of several backbones ({backbone["file"]}): '
            'fine-tuning is for records of one'
        )


def cut_of(recipe: FineTuneRecipe, records: Records) -> Cut:
    """The backbone of the records, cut before the layers that the recipe chooses. Raises UserError when it
    chooses none, or when the records have no backbone."""
    require_one_backbone(records)
    facts = json.dumps(records.manifest['backbone'], sort_keys=True)
    return _cut(facts, tuple(recipe.thaw or ()), recipe.last_convolutions)


@lru_cache(maxsize=1)  # loading and cutting a graph takes up to some seconds
def _cut(facts: str, patterns: tuple[str, ...], number: int) -> Cut:
    backbone = backbone_of(json.loads(facts))
    layers = weighted_layers(backbone)
    chosen = matching(layers, patterns, backbone) if patterns else last_convolutions(layers, number, backbone)
    return cut_before(backbone, [name for layer in chosen for name in layer.weights])
