"""Comparing runs: which scores are shown, how runs are named, and which runs are ranked together."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from src.analysis import compare_runs
from src.analysis.runs import Run
from src.common import consts, files, paths
from src.common.tf1 import tf
from src.recipes.changes import changes, changes_of, in_words, used
from src.recipes.find import recipes
from src.recipes.recipe import HeadRecipe

BACKBONE = {'file': 'big.pb', 'sha256': '12ab'}
DEEP = {key: value for key, value in vars(recipes()['cifar10/cnn_deep']).items() if key != 'data_set'}


def write_run(model: str, validation: float | None, curve: list[float], **facts) -> None:
    """Write a run whose saved model has the validation top-1 `validation`, and the curve `curve`."""
    scores = {'train': {'examples': 9, 'top_1': 0.99, 'top_5': 1.0, 'log_loss': 0.1}}
    if validation is not None:
        scores['validation'] = {'examples': 9, 'top_1': validation, 'top_5': 1.0, 'log_loss': 1 - validation}
    notes = {
        'data_set': 'flowers',
        'recipe': '',
        'classes': ['a', 'b'],
        'counts': {'train': 80, 'validation': 10, 'test': 10},
        'backbone': BACKBONE,
        'settings': {'layers': [16, *consts.HEAD_MODEL_LAYERS[1:-1], 2], 'seed': consts.SEED},
        'steps': 100,
        'best_step': 50,
        'seconds': 3.0,
        'scores': scores,
    }
    files.write_json(paths.scores(model), notes | facts)
    with tf.summary.FileWriter(str(paths.summaries(model))) as writer:
        for step, value in enumerate(curve):
            value = tf.Summary.Value(tag='validation_error', simple_value=1 - value)
            writer.add_summary(tf.Summary(value=[value]), step)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'METRICS_DIR', tmp_path / 'metrics')
    monkeypatch.setattr(paths, 'SUMMARY_DIR', tmp_path / 'summary')
    return tmp_path / 'metrics'


def compare(home, capsys, *flags: str) -> tuple[str, pd.DataFrame, str]:
    """Run the command. Returns its output, the CSV and the page."""
    compare_runs.main(list(flags))
    return (
        capsys.readouterr().out,
        pd.read_csv(home / 'runs.csv'),
        (home / 'runs.html').read_text(encoding='utf-8'),
    )


def rows_of(page: str) -> list[list[list[str]]]:
    """The cells of each row of each body of the page's table."""
    return [
        [re.findall(r'<td[^>]*>(.*?)</td>', row) for row in re.findall(r'<tr>(.*?)</tr>', body)]
        for body in re.findall(r'<tbody>(.*?)</tbody>', page)
    ]


def test_scores_are_those_of_the_saved_model(home, capsys):
    write_run('steady', 0.71, [0.6, 0.7, 0.71])
    write_run('lucky', 0.64, [0.6, 0.93, 0.64])  # the step of 93 % has the higher log loss and was not saved
    out, table, page = compare(home, capsys)
    assert table['validation_top_1'].tolist() == [0.71, 0.64]
    assert table['model'].tolist() == ['steady', 'lucky']
    assert '64.0%' in out and '93.0%' not in out
    assert re.search(r' val +val +test +test\n.* top-1 +loss +top-1 +loss', out)
    (rows,) = rows_of(page)
    assert [row[0] for row in rows] == ['steady', 'lucky'] and '64.0%' in rows[1]
    assert '0.93' not in page.replace('0.9300', '')


def test_data_set_and_backbone_are_columns_and_ranks_are_within_a_data_set(home, capsys):
    write_run('easy', 0.99, [0.99], data_set='cats')
    write_run('poor', 0.50, [0.50])
    write_run('fair', 0.60, [0.60], backbone=None)
    out, table, page = compare(home, capsys)
    assert table['data_set'].tolist() == ['cats', 'flowers', 'flowers']
    assert table['model'].tolist() == ['easy', 'fair', 'poor']
    assert table['backbone'].fillna('none').tolist() == ['big.pb', 'none', 'big.pb']
    lines = out.splitlines()
    assert lines[1].split()[:3] == ['model', 'backbone', 'seconds']
    assert lines[2:4] == ['', 'data set cats'] and lines[5:7] == ['', 'data set flowers']
    assert [lines[n].split()[0] for n in (4, 7, 8)] == ['easy', 'fair', 'poor']
    assert [[row[0] for row in body] for body in rows_of(page)] == [['easy'], ['fair', 'poor']]
    assert rows_of(page)[1][0][1:3] == ['flowers', '–']
    _, by_loss, _ = compare(home, capsys, '--sort', 'validation_log_loss')
    assert by_loss['model'].tolist() == ['easy', 'fair', 'poor']


def test_runs_on_other_photos_under_one_name_are_not_ranked_together(home, capsys):
    write_run('before', 0.9, [0.9], counts={'train': 8, 'validation': 1, 'test': 1})
    write_run('after', 0.6, [0.6])
    _, table, page = compare(home, capsys)
    assert table['data_set'].nunique() == 2 and len(rows_of(page)) == 2
    assert 'flowers (2 classes: 80 train, 10 validation, 10 test)' in set(table['data_set'])


def test_a_model_trained_on_all_photos_has_only_its_cross_validation_score(home, capsys):
    write_run('plain', 0.6, [0.6])
    out, table, page = compare(home, capsys)
    assert ' CV' not in out and 'cross validation' not in page
    estimate = {'examples': 100, 'top_1': 0.583, 'log_loss': 1.1, 'calibration_error': 0.02, 'folds': 5}
    train = {'examples': 100, 'top_1': 0.99, 'top_5': 1.0, 'log_loss': 0.1}
    scores = {'train': train, 'cross-validation': estimate}
    learned = ['train', 'validation', 'test']
    write_run('ships', None, [], scores=scores, learned_from=learned, calibration={'temperature': 0.8})
    out, table, page = compare(home, capsys)
    row = table.set_index('model').loc['ships']
    assert row['cross_validation_top_1'] == 0.583 and pd.isna(row['test_top_1'])
    assert row['training_score_top_1'] == 0.99 and row['learned_from'] == 'train validation test'
    assert row['cross_validation_calibration_error'] == 0.02 and row['temperature'] == 0.8
    assert pd.isna(table.set_index('model').loc['plain', 'temperature'])  # of an earlier version
    assert '58.3%' in out and '58.3%' in page
    assert '99.0%' not in out and '99.0%' not in page


def test_the_recipe_that_was_used_is_named_with_its_changes(home, capsys):
    deep = {'recipe': 'cifar10/cnn_deep', 'data_set': 'cifar10', 'backbone': None}
    write_run('as_named', 0.8, [0.8], **deep, settings=DEEP | {'precision': 'bfloat16'})
    write_run('changed', 0.7, [0.7], **deep, settings=DEEP | {'epochs': 5, 'seed': 2})
    write_run('elsewhere', 0.6, [0.6], **deep | {'data_set': 'flowers'}, settings=DEEP)
    write_run('head', 0.5, [0.5], recipe='stanford_dogs/inception_head')
    write_run('noted', 0.4, [0.4], recipe='cifar10/mlp', changed={'patience': 3})
    out, table, page = compare(home, capsys)
    wanted = {
        'as_named': 'cifar10/cnn_deep',
        'changed': 'cifar10/cnn_deep, changed: epochs 5, seed 2',
        'elsewhere': 'cifar10/cnn_deep, changed: data set flowers',
        'head': 'head',
        'noted': 'cifar10/mlp, changed: patience 3',
    }
    assert dict(zip(table['model'], table['recipe'], strict=True)) == wanted
    cells = {row[0]: row[3] for body in rows_of(page.replace('<wbr>', '')) for row in body}
    assert cells == wanted
    for model, recipe in wanted.items():
        line = next(line for line in out.splitlines() if line.split()[:1] == [model])
        assert line.endswith(f' {recipe}'), line


def test_what_all_runs_have_in_common_is_a_line_of_its_own(home, capsys):
    write_run('one', 0.6, [0.6])
    alone, _, _ = compare(home, capsys)
    assert 'big.pb' in alone.splitlines()[4] and 'all runs: ' not in alone
    write_run('two', 0.7, [0.7])
    out, table, page = compare(home, capsys)
    assert f'all runs: backbone big.pb, recipe head, seed {consts.SEED}' in out.splitlines()
    assert out.count('big.pb') == 1 and out.splitlines()[1].split()[:2] == ['model', 'seconds']
    assert table['backbone'].tolist() == ['big.pb'] * 2 and page.count('data-value="big.pb"') == 2


@pytest.mark.parametrize('parts', [('validation', 'test'), ('validation', 'test', 'cross-validation')])
def test_the_terminal_table_fits_120_columns_and_long_recipes_wrap(home, capsys, parts):
    scores = {part: {'examples': 100, 'top_1': 0.583, 'log_loss': 1.1} for part in ('train', *parts)}
    changed = {'learning_rate': 0.0001, 'weight_decay': 0.0005, 'layers': [1280, 1024, 512, 120], 'seed': 2}
    for model, backbone in (
        ('cifar10_cnn_deep_long', None),
        ('stanford_5_64_0001', 'mobilenet_v2_1.0_224.pb'),
    ):
        facts = {
            'recipe': 'cifar10/cnn_deep',
            'changed': changed,
            'backbone': backbone and {'file': backbone},
        }
        write_run(model, None, [], scores=scores, settings={'seed': len(model)}, **facts)
        changed = changed | {'batch_size': 128}
    out, table, _ = compare(home, capsys)
    lines = out[: out.index('runs.csv')].splitlines()[:-1]
    assert max(map(len, lines)) <= 120
    recipe = table.set_index('model').loc['cifar10_cnn_deep_long', 'recipe']
    assert recipe.endswith('1280-1024-512-120, 1 more')
    (begin,) = (n for n, line in enumerate(lines) if line.startswith('cifar10_cnn_deep_long'))
    assert recipe in ' '.join(' '.join(lines[begin : begin + 9]).split())


def test_a_recipe_has_no_changes_and_every_other_value_is_one():
    for name, recipe in recipes().items():
        assert changes(recipe, name) == {}
        other = {'seed': 7} | ({'data_set': 'x'} if hasattr(recipe, 'data_set') else {})
        assert changes(type(recipe)(**vars(recipe) | other), name) == other
    assert changes(HeadRecipe(data_set='flowers', layers=[9, *consts.HEAD_MODEL_LAYERS[1:-1], 4]), '') == {}
    assert changes(HeadRecipe(layers=[9, 5, 4]), '') == {'layers': [9, 5, 4]}
    assert in_words('head', {'layers': [9, 5, 4]}) == 'head, changed: layers 9-5-4'
    assert in_words('x', dict.fromkeys('abcde', 1)) == 'x, changed: a 1, b 1, c 1, 2 more'


def test_deleted_recipes_keep_their_name():
    facts = {'recipe': 'mine/own', 'data_set': 'x', 'settings': {'epochs': 3}}
    assert (used(facts), changes_of(facts)) == ('mine/own', {})
    assert Run('m', facts, {}).recipe == 'mine/own'
