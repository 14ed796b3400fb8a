"""The commands to suggest next, derived from the records and the trained models.

Reads data/records/<name>/manifest.json and the notes of `trainings`, and does not load TensorFlow.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.names import Model, frozen_of, known_models, model_for, similar
from src.recipes.changes import changes_of
from src.recipes.find import USUAL_HEAD, USUAL_NETWORK, recipes, usual_recipe
from src.recipes.recipe import PixelRecipe
from src.records.backbone_words import backbone_words, graph_words, typed
from src.records.manifest import belongs, manifest_of, source_of
from src.records.repeated import changed_by, tuned_by
from src.records.run_notes import STUDENT_HEAD, CrossValidated
from src.records.trainings import CROSS_VALIDATED, distilled_by, model_notes, trained_on

PHOTO_SIDE = 64  # suggested --side for photos; the recipes are for the 32 pixels of CIFAR-10
SAMPLE = 'sample'  # the data set of drawn dogs
# The default folder of each converter, and the default name of its data set.
CONVERTERS = {
    'stanford_ds_to_tfrecords': (paths.STANFORD_DS_DIR, consts.CURRENT_DATASET_NAME),
    'kaggle_images_to_tfrecords': (paths.KAGGLE_DS_DIR, 'kaggle'),
    'cifar10_to_tfrecords': (paths.CIFAR10_DIR, 'cifar10'),
    'dogs_vs_cats_to_tfrecords': (paths.CATS_DOGS_DIR, 'cats_dogs'),
}


def data_sets() -> list[str]:
    """The names of the data sets that are converted, or begun, and of those that Rootstock knows."""
    converted = [path.parent.name for path in paths.RECORDS_DIR.glob(f'*/{paths.MANIFEST}')]
    return sorted({*converted, *(name for _, name in CONVERTERS.values()), SAMPLE})


def similar_data_sets(name: str) -> str:
    """The end of an error message: '; similar names: ...' of data sets, or '' if there are none."""
    return similar(name, data_sets())


def similar_to(model: str, name: str | None) -> str:
    """The same of models; and of data sets if the model has the name of its data set, which was given."""
    return similar(model, known_models() + (data_sets() if model == name else []))


def require_known(name: str) -> None:
    """Raise UserError if no data set and no model has this name, with similar names and the command that
    makes it."""
    if name not in (*data_sets(), *known_models()) and not trained_on(name):
        raise UserError(
            f'there is no data set {name}: to make it run {to_convert(name)}{similar_to(name, name)}'
        )


def data_set_of(model: str | None, name: str | None = None) -> str:
    """The data set to work on: `own_data_set_of`, or else the current one. Raises UserError as that does."""
    return own_data_set_of(model, name) or consts.CURRENT_DATASET_NAME


def own_data_set_of(model: str | None, name: str | None = None) -> str | None:
    """The first of `name`, the data set that the model was trained on, and the one with the model's name if
    there is one; None for a model without any.

    Raises UserError when the model was trained on a data set other than `name`.
    """
    trained = model_notes(model).get('data_set') if model else None
    if name and trained not in (None, name):
        raise UserError(f'model {model} was trained on {trained}, not on {name}: use --name {trained}')
    namesake = model if model and manifest_of(model) else None
    return name or trained or namesake


def data_set_to_score_on(model: str | None, name: str | None = None) -> str:
    """`data_set_of`, except for a distilled classifier without `name`. Raises UserError for that one, unless
    a data set has its name."""
    notes = model_notes(model) if model else {}
    if name or notes.get('learner') != STUDENT_HEAD or manifest_of(model):
        return data_set_of(model, name)
    backbone = (notes.get('backbone') or {}).get('file', 'the same backbone')
    raise UserError(
        f'{model} learned without labels: --name NAME says which data set it is scored on, one of the same '
        f'classes that was converted with --backbone {backbone}'
    )


def usual_model(name: str) -> str:
    """The model to work on when none is given.

    That of the data set's name (`names.model_for`). If only others were trained, the newest of these; if none
    was trained and the records have no bottlenecks, the one of the usual recipe for pixels.
    """
    usual, trained = model_for(name), trained_on(name)
    if trained:
        return usual if usual in trained else trained[0]
    return usual if _has_bottlenecks(name) else model_for(name, usual_recipe(name, USUAL_NETWORK))


def flags(name: str, model: str) -> str:
    """' --name NAME --model MODEL', without the flags that are defaults."""
    named = _name_flag(name)
    return named if model == model_for(name) else f'{named} --model {shlex.quote(model)}'


def _name_flag(name: str) -> str:
    return '' if name == consts.CURRENT_DATASET_NAME else f' --name {shlex.quote(name)}'


def to_convert(name: str) -> str:
    """The command that converts a data set, as it was run before if the records exist."""
    manifest = manifest_of(name)
    if not manifest.get('source'):
        return 'python -m src.data_preparation.' + _usual_conversion(name)
    converter = _converter_of(manifest)
    place, default = source_of(manifest), CONVERTERS.get(converter)
    words = ['python', '-m', f'src.data_preparation.{converter}']
    if default is None:
        words += [typed(manifest['source']), '--name', name]
    else:
        words += [] if place == default[0] else ['--data', typed(manifest['source'])]
        words += [] if name == default[1] else ['--name', name]
    words += ['--class-folders', manifest['class_folders']] if manifest.get('class_folders') else []
    words += ['--augment'] if manifest.get('copies') else []
    for key, value in manifest.get('draw', {}).items():
        words += ['--seed' if key == 'seed' else f'--{key}-per-class', str(value)]
    words += ['--crop-to-box'] if manifest.get('crop_to_box') else []
    words += ['--review', typed(manifest['review']['file'])] if manifest.get('review') else []
    words += ['--test-list', 'FILE'] if manifest.get('split_by') == 'test list' else []
    words += backbone_words(converter, manifest)
    return shlex.join(words)


def to_add(name: str, backbones: Sequence[Mapping[str, Any]]) -> str:
    """The command that adds backbones to the records of a data set, by their facts."""
    manifest = manifest_of(name)
    converter = _converter_of(manifest)
    words = ['python', '-m', f'src.data_preparation.{converter}']
    words += [] if converter in CONVERTERS and CONVERTERS[converter][1] == name else ['--name', name]
    words += [w for one in backbones for w in graph_words(one, converter, True, '--add-backbone')]
    return shlex.join(words)


def to_train(name: str, model: str) -> str:
    """The command that trains a model on a data set: as before if it was trained already, and with --fresh
    if the records have been converted again since."""
    notes, manifest = model_notes(model), manifest_of(name)
    if notes.get('data_set') != name:
        return _usual_training(name, model)
    if manifest.get('fingerprint') and not belongs(manifest, notes.get('records')):
        return f'{_usual_training(name, model)} --fresh'
    return _trained_by(name, model, notes)


def to_freeze(name: str, model: str) -> str:
    """The command that freezes a model."""
    return 'python -m src.freezing.freeze' + flags(name, model)


def how_to_finish(model: str) -> str:
    """The end of a message: what to do about a trained model without a frozen file, or with an older one."""
    if command := distilled_by(model):
        return f'repeat the {command} command that began it'
    return f'run {to_freeze(data_set_of(model), model)}'


def how_to_train(name: str, model: str) -> str:
    """The end of an error message: what to do about a model that was not trained."""
    others = trained_on(name)
    if not others or model in others:
        return f'run {to_train(name, model)}'
    return f'run {to_train(name, model)}, or choose a trained model: --model {files.listed(others, 3)}'


def frozen_model(model: Model, name: str | None = None) -> Path:
    """The frozen file of a model, or the newest of its versions. Raises UserError when there is none, with
    the command that makes it from the data set `name` (default: the model's own), and with similar names."""
    if path := model.file:
        return path
    missing = f'there is no {paths.shown(model.frozen)}'
    if os.path.abspath(model.frozen) != str(paths.frozen(model.name)):  # noqa: PTH100 - no command writes it
        namesake = f'; --model {model.name} is {paths.shown(frozen_of(model.name))}'
        raise UserError(missing + (namesake if model.name in known_models() else similar(model.name)))
    name = name or data_set_of(model.name)
    if distilled_by(model.name):
        raise UserError(f'{missing}: {how_to_finish(model.name)}')
    todo = f'run {to_freeze(name, model.name)}' if model_notes(model.name) else how_to_train(name, model.name)
    raise UserError(f'{missing}: {todo}{similar_to(model.name, name)}')


def _has_bottlenecks(name: str) -> bool:
    manifest = manifest_of(name)
    if 'backbone' in manifest:
        return manifest['backbone'] is not None
    return name != paths.CIFAR10_DIR.name


def _holds_cifar(name: str) -> bool:
    manifest = manifest_of(name)
    return not manifest or _converter_of(manifest) == 'cifar10_to_tfrecords'


def _usual_conversion(name: str) -> str:
    """The conversion command of a data set that was not converted, without `python -m`."""
    if name == consts.CURRENT_DATASET_NAME:
        return 'stanford_ds_to_tfrecords'
    if name == SAMPLE:
        drawn, backbone = (shlex.quote(paths.shown(p)) for p in (paths.SAMPLE_DS_DIR, paths.POCKET_GRAPH_DEF))
        return f'stanford_ds_to_tfrecords --data {drawn} --name sample --backbone {backbone}'
    if name == paths.CIFAR10_DIR.name:
        return 'cifar10_to_tfrecords'
    if name == paths.CATS_DOGS_DIR.name:
        return 'dogs_vs_cats_to_tfrecords'
    return f'image_folder_to_tfrecords DIR{_name_flag(name)}'


def _converter_of(manifest: dict) -> str:
    """The converter of the records, guessed for manifests of early versions, which lack it."""
    if converter := manifest.get('converter'):
        return converter
    source = source_of(manifest) or paths.ROOT
    if manifest.get('split_by') == 'test batch':
        return 'cifar10_to_tfrecords'
    if manifest.get('split_by') == 'official' or manifest.get('crop_to_box') or (source / 'Images').is_dir():
        return 'stanford_ds_to_tfrecords'
    if manifest.get('copies') or consts.UNLABELLED in manifest.get('counts', ()):
        return 'kaggle_images_to_tfrecords'
    return 'image_folder_to_tfrecords'


def _usual_training(name: str, model: str) -> str:
    """The training command without settings other than the model's recipe."""
    if _has_bottlenecks(name):
        recipe = usual_recipe(name, USUAL_HEAD)
        named = '' if recipe == USUAL_HEAD else f' --recipe {recipe}'
        return f'python -m src.training.train{named}' + flags(name, model)
    words = ['python', '-m', 'src.training.train_images']
    named = [r for r, recipe in recipes().items() if isinstance(recipe, PixelRecipe)]
    recipe = next((recipe for recipe in named if model == model_for(name, recipe)), None)
    words += ['--recipe', recipe] if recipe not in (None, USUAL_NETWORK) else []
    words += ['--name', name]
    words += ['--model', model] if recipe is None else []
    made_for_it = recipe is not None and recipes()[recipe].data_set == name
    words += [] if made_for_it or _holds_cifar(name) else ['--side', str(PHOTO_SIDE)]
    return shlex.join(words)


def _trained_by(name: str, model: str, notes: dict) -> str:
    """The training command that `notes` describe: its recipe, and the flags that changed it."""
    if notes.get('learner') == 'tail':
        return tuned_by(name, model, notes)
    network = notes.get('backbone') is None
    usual = USUAL_NETWORK if network else USUAL_HEAD
    recipe_name = notes.get('recipe') or usual
    command = f'python -m src.training.{"train_images" if network else "train"}'
    if recipe_name != usual:
        command += f' --recipe {shlex.quote(recipe_name)}'
    if not network:
        command += flags(name, model)
    else:
        command += f' --name {shlex.quote(name)}'
        command += '' if model == model_for(name, recipe_name) else f' --model {shlex.quote(model)}'
    command += ''.join(f' {shlex.quote(word)}' for word in changed_by(changes_of(notes)))
    folds = files.read_notes(paths.checkpoints(model) / CROSS_VALIDATED, CrossValidated).get('folds')
    return command + (f' --folds {folds}' if folds else '')
