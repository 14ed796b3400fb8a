"""The command `src.curation.review`, on records of drawn pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageOps

from src.common import paths
from src.common.errors import UserError
from src.curation import review
from src.curation.findings import read_findings
from src.records.decisions import Decision, write_decisions
from tests.curation.data import bottleneck, jpeg, scene, write_data_set
from tests.inference.models import somebody_elses

CLASSES = ['cat', 'dog']
ODD_ID = 'dogs/a, "b" ü 猫.jpg'


def rows_of(number: int = 24) -> list[tuple]:
    """Photos of two classes in three splits."""
    splits = ['train'] * 8 + ['validation', 'test']
    return [
        (
            f'{CLASSES[i % 2]}/{i}.jpg',
            splits[i // 2 % 10],
            CLASSES[i % 2],
            jpeg(scene(i)),
            bottleneck(i % 2, i),
        )
        for i in range(number)
    ]


def found_in(name: str) -> list:
    return read_findings(paths.METRICS_DIR / name / 'review.csv')


def test_a_review_finds_the_planted_photos_and_writes_everything(capsys):
    rows = rows_of()
    train = next(row for row in rows if row[1] == 'train' and row[2] == 'dog')
    rows.append((ODD_ID, 'test', 'dog', jpeg(ImageOps.mirror(scene(int(train[0][4:-4])))), train[4]))
    rows.append(('cat/wrong.jpg', 'train', 'cat', jpeg(scene(90)), bottleneck(1, 90)))
    rows.append(('cat/tiny.jpg', 'train', 'cat', jpeg(scene(91, 24, 18)), bottleneck(0, 91)))
    write_data_set('planted', CLASSES, rows)
    review.main(['planted'])
    found = found_in('planted')
    by_reason = {one.reason: one for one in found}
    duplicate, suspect = by_reason['duplicate'], by_reason['label suspect']
    assert {duplicate.id, duplicate.other} == {ODD_ID, train[0]}
    assert 'mirrored' in duplicate.detail and 'leakage' in duplicate.detail
    assert (suspect.id, suspect.label, suspect.looks_like) == ('cat/wrong.jpg', 'cat', 'dog')
    assert 'cat/tiny.jpg' in [one.id for one in found if one.reason == 'odd file']
    written = {file.name for file in (paths.METRICS_DIR / 'planted').iterdir()}
    sheets = {f'review_{reason}.jpg' for reason in ('odd_file', 'duplicate', 'label_suspect')}
    assert written >= sheets | {'review.csv', 'review.html', 'review_sizes.png', 'review_class_counts.png'}
    out = capsys.readouterr().out
    assert 'not the wanted kind: skipped: give an ImageNet classifier, --classifier PB' in out
    assert 'next: open ' in out and 'review.html' in out
    assert 'wrong.jpg' in (paths.METRICS_DIR / 'planted' / 'review.html').read_text()


def test_nothing_found_is_an_empty_table_and_removes_earlier_sheets(capsys):
    write_data_set('clean', CLASSES, rows_of())
    folder = paths.METRICS_DIR / 'clean'
    folder.mkdir(parents=True)
    (folder / 'review_duplicate.jpg').write_bytes(b'earlier')
    review.main(['clean', '--only', 'duplicate', 'label-suspect'])
    assert found_in('clean') == []
    assert 'nothing was found' in capsys.readouterr().out
    assert not (folder / 'review_duplicate.jpg').exists()
    assert (folder / 'review.html').exists()


def test_without_bottlenecks_copies_are_found_and_label_suspects_say_what_they_need(capsys):
    rows = rows_of()
    rows.append(('dog/copy.jpg', 'train', 'dog', jpeg(scene(1).resize((80, 60))), None))
    write_data_set('bare', CLASSES, rows, bottlenecks=False)
    review.main(['bare'])
    assert [(one.id, one.other) for one in found_in('bare') if one.reason == 'duplicate'] == [
        ('dog/copy.jpg', 'dog/1.jpg')
    ]
    out = capsys.readouterr().out
    assert 'duplicate: without bottlenecks hardly any cropped or turned copies' in out
    assert 'label suspect: skipped: it needs bottlenecks' in out


def test_one_class_has_no_label_suspects(capsys):
    rows = [(id_, split, 'dog', *rest) for id_, split, _, *rest in rows_of()]
    write_data_set('single', ['dog'], rows)
    review.main(['single', '--only', 'label suspect'])
    assert 'label suspect: skipped: it needs two classes' in capsys.readouterr().out
    assert found_in('single') == []


def test_few_photos_of_a_class_are_no_obstacle(capsys):
    rows = [*rows_of(), ('fox/1.jpg', 'train', 'fox', jpeg(scene(50)), bottleneck(5, 50))]
    rows += [(f'owl/{i}.jpg', 'train', 'owl', jpeg(scene(60 + i)), bottleneck(6, 60 + i)) for i in range(2)]
    write_data_set('few', [*CLASSES, 'fox', 'owl'], rows)
    review.main(['few', '--only', 'label-suspect'])
    out = capsys.readouterr().out
    assert 'not judged, as it is the only photo of its class: fox' in out
    assert found_in('few') == []


def test_a_picture_that_cannot_be_decoded_is_skipped_counted_and_named(capsys):
    rows = rows_of()
    rows[3] = (*rows[3][:3], rows[3][3][:900], rows[3][4])
    rows[4] = (*rows[4][:3], b'', rows[4][4])
    write_data_set('damaged', CLASSES, rows)
    review.main(['damaged'])
    out = capsys.readouterr().out
    assert '2 pictures cannot be decoded' in out
    assert f'{rows[3][0]} (truncated)' in out and f'{rows[4][0]} (empty file)' in out
    assert rows[3][0] not in {one.id for one in found_in('damaged') if one.reason == 'odd file'}


def test_augmented_copies_and_unlabeled_photos_are_handled():
    rows = rows_of()
    rows += [(f'{rows[0][0]}~mirror', 'train', 'cat', jpeg(ImageOps.mirror(scene(0))), rows[0][4])]
    rows += [('new.jpg', 'unlabelled', None, jpeg(scene(2)), rows[2][4])]
    write_data_set('augmented', CLASSES, rows, copies=['mirror'])
    review.main(['augmented'])
    (one,) = (one for one in found_in('augmented') if one.reason == 'duplicate')
    assert {one.id, one.other} == {'new.jpg', 'cat/2.jpg'}
    assert 'leakage' not in one.detail  # a photo to be named has no score


def test_decisions_change_the_counts_that_are_drawn(monkeypatch):
    write_data_set('decided', CLASSES, rows_of())
    made = [
        Decision('cat/0.jpg', 'drop'),
        Decision('cat/2.jpg', 'relabel', 'dog'),
        Decision('cat/4.jpg', 'keep'),
    ]
    write_decisions(paths.decisions('decided'), 'decided', made)
    drawn = {}
    monkeypatch.setattr(
        'src.drawing.bar_chart_groups', lambda names, series, *_: drawn.update(bars=(names, series))
    )
    monkeypatch.setattr('src.drawing.scatter_plots', lambda plots, *_: drawn.update(plots=plots))
    review.main(['decided', '--only', 'odd-file'])
    assert drawn['bars'] == (CLASSES, {'before': [12, 12], 'after': [10, 13]})
    before, after = (next(iter(plot.values()))[0] for plot in drawn['plots'])
    assert (len(before), len(after)) == (24, 23)


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        (['--wanted', 'dogs'], '--wanted is about a --classifier'),
        (['--labels', 'names.txt'], '--labels is about a --classifier'),
    ],
)
def test_flags_of_a_classifier_need_one(flags, says):
    write_data_set('clean', CLASSES, rows_of())
    with pytest.raises(UserError, match=says):
        review.main(['clean', *flags])


def test_an_unknown_data_set_and_an_unknown_reason_are_refused(capsys):
    with pytest.raises(UserError, match='data set nowhere is not converted'):
        review.main(['nowhere'])
    with pytest.raises(SystemExit):
        review.main(['clean', '--only', 'ugly'])
    assert 'not the wanted kind' in capsys.readouterr().err


def test_a_classifier_with_few_classes_is_refused(tmp_path):
    write_data_set('clean', CLASSES, rows_of())
    names = [f'thing {i}' for i in range(20)]
    model = somebody_elses(tmp_path / 'few.pb', names)
    with pytest.raises(UserError, match='classes'):
        review.main(['clean', '--classifier', str(model), '--wanted', 'thing 1'])


def test_a_classifier_without_labels_is_refused_and_the_flag_for_them_is_named(tmp_path):
    write_data_set('clean', CLASSES, rows_of())
    model = somebody_elses(tmp_path / 'silent.pb', ['cat', 'dog'])
    model.with_suffix('.txt').unlink()
    with pytest.raises(UserError, match=r'put .*silent\.txt beside it, .* --labels FILE'):
        review.main(['clean', '--classifier', str(model)])


def test_the_order_of_bottlenecks_is_that_of_the_photos():
    from src.curation.photos import read_photos
    from src.records.dataset import open_records

    rows = rows_of()
    write_data_set('ordered', CLASSES, rows)
    records = open_records('ordered')
    photos, vectors = read_photos(records), review.bottlenecks_of(records)
    of = {row[0]: row[4] for row in rows}
    np.testing.assert_array_equal(vectors, np.stack([of[id_] for id_ in photos.ids]))
