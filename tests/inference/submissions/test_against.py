"""Submissions scored by known labels, as Kaggle does."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import UserError
from src.inference import inference
from src.inference.submissions.against import check_values, pair_of, score_against
from src.inference.submissions.table import read_rows, read_table
from src.scoring.scores import whole_score

LABELS = 'id,label\n1,0.9\n2,0.2\n3,0.4\n'
COLUMNS = 'id,boxer,chow,pug\nx,0.7,0.2,0.1\ny,0.1,0.8,0.1\nz,0.5,0.2,0.3\n'


def file(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding='utf-8')
    return folder / name


def scored(folder: Path, submission: str, labels: str, pair=()):
    rows = read_rows(file(folder, 'truth.csv', labels))
    return score_against(read_table(file(folder, 's.csv', submission)), rows, pair)


@pytest.mark.parametrize(
    'truth',
    [
        'id,label\n1,1\n2,0\n3,1\n',
        'id,label\n3,1.0\n2,0.0\n1,1.0\n',
        'id,class\n2,cat\n1,dog\n3,dog\n',
        'id,class\n2,Cat\n1,Dog\n3,Dog\n',
        'id,cat,dog\n1,0,1\n2,1,0\n3,0,1\n',
    ],
)
def test_the_label_format_by_numbers_names_and_columns(tmp_path, truth):
    result = scored(tmp_path, LABELS, truth)
    wanted = -(math.log(0.9) + math.log(0.8) + math.log(0.4)) / 3
    assert result.log_loss == pytest.approx(wanted)
    assert (result.scores['examples'], result.rescaled) == (3, 0)
    assert result.scores['top_1'] == pytest.approx(2 / 3)


def test_a_single_column_is_the_probability_of_the_positive_class_by_any_name(tmp_path):
    truth = 'id,label\n1,1\n2,0\n3,1\n'
    for name in ('Label', 'dog'):
        assert scored(tmp_path, LABELS.replace('label', name), truth) == scored(tmp_path, LABELS, truth)


def test_the_positive_class_of_the_label_format_may_be_named(tmp_path):
    flipped = scored(tmp_path, LABELS, 'id,label\n1,cat\n2,dog\n3,cat\n', pair_of('cat'))
    named = scored(tmp_path, LABELS, 'id,label\n1,husky\n2,wolf\n3,husky\n', pair_of('husky'))
    both = scored(tmp_path, LABELS, 'id,label\n1,husky\n2,wolf\n3,husky\n', ['wolf', 'husky'])
    assert flipped == named == both == scored(tmp_path, LABELS, 'id,label\n1,1\n2,0\n3,1\n')


@pytest.mark.parametrize(
    'truth',
    ['id,breed\nz,pug\nx,boxer\ny,chow\n', 'id,pug,boxer,chow\nx,0,1,0\ny,0,0,1\nz,1.0,0.0,0.0\n'],
)
def test_a_column_for_each_class(tmp_path, truth):
    result = scored(tmp_path, COLUMNS, truth)
    assert result.log_loss == pytest.approx(-(math.log(0.7) + math.log(0.8) + math.log(0.3)) / 3)
    assert result.scores['top_1'] == pytest.approx(2 / 3)


def test_two_columns_and_numbers_need_the_positive_class(tmp_path):
    submission, truth = 'id,wolf,husky\n1,0.1,0.9\n', 'id,label\n1,1\n'
    with pytest.raises(UserError, match='labels 0 and 1: say which class is 1 with --positive husky'):
        scored(tmp_path, submission, truth)
    assert scored(tmp_path, submission, truth, pair_of('husky')).log_loss == pytest.approx(-math.log(0.9))
    assert scored(tmp_path, submission, truth, pair_of('wolf')).log_loss == pytest.approx(-math.log(0.1))
    assert scored(tmp_path, 'id,dog,cat\n1,0.9,0.1\n', truth).log_loss == pytest.approx(-math.log(0.9))


def test_classes_that_are_called_0_and_1_are_classes(tmp_path):
    result = scored(tmp_path, 'id,1,0\na,0.9,0.1\n', 'id,label\na,1\n')
    assert result.log_loss == pytest.approx(-math.log(0.9))


def test_scores_are_those_of_the_rescaled_rows(tmp_path):
    submission = 'id,a,b\n1,0.45,0.15\n2,0.2,0.2\n3,0.1,0.7\n'
    result = scored(tmp_path, submission, 'id,label\n1,a\n2,b\n3,b\n')
    rows = np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]])
    assert result.scores == pytest.approx(whole_score([(rows, np.array([0, 1, 1]))]))
    assert result.rescaled == 3


def test_rows_that_do_not_sum_to_one_are_rescaled_and_counted(tmp_path):
    result = scored(tmp_path, 'id,a,b\n1,0.5,0.3\n2,0.5,0.5\n', 'id,label\n1,a\n2,b\n')
    assert result.rescaled == 1
    assert result.log_loss == pytest.approx(-(math.log(0.625) + math.log(0.5)) / 2)


@pytest.mark.parametrize(
    ('value', 'shown'),
    [('1.2', '1.2'), ('-0.1', '-0.1'), ('nan', 'nan'), ('inf', 'inf')],
)
def test_values_that_are_no_probabilities_are_refused(tmp_path, value, shown):
    table = read_table(file(tmp_path, 's.csv', f'id,a,b\n1,0.5,0.5\n7,0.5,{value}\n'))
    message = f'1 value outside of 0 to 1, the first for id 7 in column b: {shown}'
    with pytest.raises(UserError, match=message):
        check_values(table)


def test_a_row_of_zeros_is_refused_but_not_a_label_of_zero(tmp_path):
    with pytest.raises(UserError, match='1 row without any probability above 0, the first for id 7'):
        check_values(read_table(file(tmp_path, 's.csv', 'id,a,b\n1,0.5,0.5\n7,0,0\n')))
    assert scored(tmp_path, 'id,label\n1,0\n', 'id,label\n1,0\n').log_loss == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ('submission', 'truth', 'message'),
    [
        ('1,0.9\n3,0.1\n', '1,1\n2,0\n3,1\n', '1 id is missing: 2$'),
        ('1,0.9\n2,0.1\n5,0.1\n', '1,1\n2,0\n', '1 id is extra: 5$'),
        ('1,0.9\n2,0.1\n2,0.1\n', '1,1\n2,0\n', '1 id is doubled: 2$'),
        ('1,0.9\n9,0.1\n', '1,1\n2,0\n', '1 id is missing: 2; 1 id is extra: 9$'),
        ('1,0.9\n2,0.1\n', '1,1\n2,0\n2,0\n', r'truth\.csv: 1 id is doubled: 2$'),
        ('1,0.9\n2,0.1\n', '1,dog\n2,bird\n', r'no classes of the submission: bird \(it has cat and dog'),
        ('1,0.9\n2,0.1\n', '1,1\n2,0.5\n', r'no classes of the submission: 1, 0\.5'),
        ('1,0.9\n2,0.1\n', '1,dog\n2,\n', r'truth\.csv has no label for id 2$'),
    ],
)
def test_what_cannot_be_scored_is_refused(tmp_path, submission, truth, message):
    with pytest.raises(UserError, match=message):
        scored(tmp_path, f'id,label\n{submission}', f'id,label\n{truth}')


@pytest.mark.parametrize('row', ['1,1,0', '0,0,0', '0.5,0.5,0', '2,0,0'])
def test_rows_of_labels_without_one_1_are_refused(tmp_path, row):
    truth = f'id,boxer,chow,pug\nx,{row}\ny,0,0,1\nz,0,0,1\n'
    with pytest.raises(UserError, match='the row of id x does not hold one 1'):
        scored(tmp_path, COLUMNS, truth)


def test_a_third_name_is_refused_when_only_the_positive_class_is_known(tmp_path):
    truth = 'id,label\n1,husky\n2,wolf\n3,fox\n'
    with pytest.raises(UserError, match='no classes of the submission: wolf, fox'):
        scored(tmp_path, LABELS, truth, pair_of('husky'))


def test_the_command_scores_a_file_without_a_model(tmp_path, capsys):
    submission, truth = file(tmp_path, 's.csv', LABELS), file(tmp_path, 't.csv', 'id,label\n1,1\n2,0\n3,1\n')
    assert inference.main(['--submission', str(submission), '--against', str(truth)]) == 0
    out = capsys.readouterr().out
    assert f'{submission}: 3 rows of probabilities' in out
    assert f'{truth}: log loss 0.41493, accuracy 66.67%' in out
    assert out.endswith(' on 3 photos\n')
    assert np.isclose(0.41493, -(np.log([0.9, 0.8, 0.4])).mean(), atol=1e-5)


def test_the_command_compares_a_file_with_a_sample(tmp_path, capsys):
    submission = file(tmp_path, 's.csv', LABELS)
    good = file(tmp_path, 'good.csv', 'id,label\n1,0.5\n2,0.5\n3,0.5\n')
    bad = file(tmp_path, 'bad.csv', 'id,label\n1,0.5\n2,0.5\n4,0.5\n')
    assert inference.main(['--submission', str(submission), '--sample', str(good)]) == 0
    assert f'its columns and ids are those of {good}' in capsys.readouterr().out
    assert inference.main(['--submission', str(submission), '--sample', str(bad)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f'{submission} differs from {bad}: 1 id is missing: 4',
        f'{submission} differs from {bad}: 1 id is extra: 3',
    ]


@pytest.mark.parametrize('flags', [['photos'], ['--model', 'x'], ['--clip', 'none'], ['--format', 'label']])
def test_a_file_that_is_there_needs_no_flags_of_models(tmp_path, capsys, flags):
    with pytest.raises(SystemExit):
        inference.main([*flags, '--submission', str(file(tmp_path, 's.csv', LABELS))])
    assert '--submission takes a file that is there' in capsys.readouterr().err
