"""A training command, or its flags, from the notes of a run (model.json), so that it can be repeated."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from src.common.names import model_for, tuned_model_for
from src.recipes.changes import changes_of
from src.recipes.find import USUAL_TAIL


def tuned_by(name: str, model: str, notes: dict) -> str:
    """The command that fine-tuned a model."""
    words = ['python', '-m', 'src.training.fine_tune']
    recipe = notes.get('recipe') or USUAL_TAIL
    words += ['--recipe', recipe] if recipe != USUAL_TAIL else []
    words += ['--name', name]
    words += ['--model', model] if model != tuned_model_for(name) else []
    start = notes['settings']['start']
    words += ['--from', start] if start != model_for(name) else []
    changed = changes_of(notes)
    patterns = changed.pop('thaw', None) or []
    changed.pop('start', None)
    words += ['--thaw', *patterns] if patterns else []
    return shlex.join([*words, *changed_by(changed)])


def changed_by(changes: dict[str, Any]) -> Iterator[str]:
    """The flags for changes of a recipe."""
    for key, value in changes.items():
        flag = '--' + key.replace('_', '-')
        if key == 'data_set':  # it is --name
            continue
        if isinstance(value, bool):
            yield flag if value else flag.replace('--', '--no-', 1)
        elif key == 'backbones':
            yield from (flag, *value)
        elif key == 'layers':  # 0: the width of the bottlenecks, which may have grown, and the classes
            yield from (flag, ','.join(map(str, [0, *value[1:-1], 1 if list(value[-1:]) == [1] else 0])))
        elif isinstance(value, list | tuple):
            yield from (flag, ','.join(map(str, value)))
        else:
            yield from (flag, str(value).removesuffix('.0'))
