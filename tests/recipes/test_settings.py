"""A setting stands once: flags and the documentation's tables come from the fields of the recipes."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from docs.settings import TABLES, table, with_table
from src.common import paths
from src.recipes.recipe import FineTuneRecipe, HeadRecipe, PixelRecipe
from src.training import fine_tune, train, train_images

NO_FLAGS = ('data_set', 'start', 'blocks')  # --name, --from, and what follows from the records


@pytest.mark.parametrize(('page', 'kind', 'recipe'), TABLES)
def test_the_table_of_settings_is_made_from_the_fields(page, kind, recipe):
    text = (paths.CHECKOUT / page).read_text(encoding='utf-8')
    assert with_table(text, kind, recipe) == text
    assert table(recipe) in text


@pytest.mark.parametrize(
    ('parse', 'recipe'),
    [
        (train.parse_args, HeadRecipe),
        (train_images.parse_args, PixelRecipe),
        (fine_tune.parse_args, FineTuneRecipe),
    ],
)
def test_every_setting_is_a_flag_with_its_default(parse, recipe):
    args = parse([])
    for field in fields(recipe):
        assert 'help' in field.metadata or field.name in NO_FLAGS
        assert hasattr(args, field.name) or field.name in NO_FLAGS


@pytest.mark.parametrize(
    ('parse', 'default'),
    [
        (train.parse_args, 'by consts.py and the data'),
        (fine_tune.parse_args, 'the last convolutions, see --last-convolutions'),
    ],
)
def test_a_default_that_is_none_is_told_in_words(parse, default, capsys):
    with pytest.raises(SystemExit):
        parse(['--help'])
    told = re.findall(r'\(default: ([^)]*)\)', ' '.join(capsys.readouterr().out.split()))
    assert default in told and 'None' not in told
    assert [words for words in told if words.startswith(('by ', 'the last '))] == [default]


def test_flags_are_checked_by_the_type_of_their_field(capsys):
    for flags in (['--dropout', '1.5'], ['--steps', '0'], ['--layers', '7']):
        with pytest.raises(SystemExit):
            train.parse_args(flags)
        assert f'argument {flags[0]}' in capsys.readouterr().err
    assert train.parse_args(['--no-all-splits', '--layers', '8,4']).layers == [8, 4]
