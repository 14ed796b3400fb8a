"""Write the tables of settings in README.md and below docs/ from the recipes' fields.

    python -m docs.settings

Each table stands between two comments, `<!-- settings of KIND -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from src.common import errors, files, paths
from src.common.cli import flag_of
from src.common.progress import wrote
from src.recipes.distill_recipe import DistilledHeadRecipe, DistillRecipe
from src.recipes.recipe import FineTuneRecipe, HeadRecipe, PixelRecipe

# Page, kind and recipe of each table.
TABLES = (
    ('README.md', 'head', HeadRecipe()),
    ('docs/cifar10.md', 'network', PixelRecipe('cifar10')),
    ('docs/cats_dogs.md', 'fine-tuning', FineTuneRecipe('cats_dogs')),
    ('docs/pocket.md', 'a distilled head', DistilledHeadRecipe()),
    ('docs/pocket.md', 'distillation', DistillRecipe()),
)


def table(recipe: Any) -> str:
    """The settings of a recipe as a Markdown table: flag, default, meaning."""
    rows = ['| flag | default | meaning |', '|---|---|---|']
    for field in fields(recipe):
        if text := field.metadata.get('help'):
            if choices := field.metadata.get('choices'):
                text += ': ' + ', '.join(map(str, choices))
            default = _shown(getattr(recipe, field.name), field.metadata.get('default_text', 'by the data'))
            rows.append(f'| `{flag_of(field.name)}` | {default} | {text} |')
    return '\n'.join(rows)


def _shown(default: Any, without: str) -> str:
    if isinstance(default, bool):
        return 'on' if default else 'off'
    return without if default is None else str(default)


def with_table(text: str, kind: str, recipe: Any) -> str:
    """The text of a page with the table of `kind` in its place."""
    begin, end = f'<!-- settings of {kind} -->\n', '\n<!-- end -->'
    return re.sub(
        re.escape(begin) + '.*?' + re.escape(end), lambda _: begin + table(recipe) + end, text, flags=re.S
    )


def main() -> None:
    for page, kind, recipe in TABLES:
        path: Path = paths.CHECKOUT / page
        text = with_table(path.read_text(encoding='utf-8'), kind, recipe)
        with files.atomic(path) as stream:
            stream.write(text)
        wrote(path, f'settings of {kind}')


if __name__ == '__main__':
    errors.run(main)
