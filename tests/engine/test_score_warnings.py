"""What a training warns of: scores at chance, splits too small to score on, classes that were not learned."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import files, paths
from src.data_preparation.conversion.job import MANIFEST
from src.engine import score_warnings
from src.records.dataset import Records, open_records
from src.records.example import build_example, shard_name, write_shard
from src.training import train
from tests.clusters import CLASSES, WIDTH


@pytest.mark.parametrize(
    ('examples', 'hits', 'chance'),
    [
        (40, 10, 0.25),
        (40, 15, 0.25),
        (40, 16, 0.25),
        (1000, 520, 0.5),
        (1000, 528, 0.5),
        (3, 3, 0.4),
        (9, 0, 0.1),
    ],
)
def test_chance_is_what_a_binomial_test_says(examples, hits, chance):
    from scipy import stats

    told = {'examples': examples, 'top_1': hits / examples, 'most_frequent': chance}
    p = stats.binomtest(hits, examples, chance, alternative='greater').pvalue
    assert score_warnings.at_chance(told) == (p > 0.05)


def test_one_class_alone_is_at_chance_however_it_is_named():
    assert score_warnings.at_chance({'examples': 40, 'top_1': 1.0, 'most_frequent': 1.0})


def write(name: str, noise: bool, **numbers: list[int]) -> None:
    """Records with so many photos of each class in each split. `noise`: there is nothing to learn."""
    random = np.random.default_rng(2)
    folder = paths.records(name)
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for split, of_class in numbers.items():
        shards.append(shard_name(split, 0, 1))
        labels = np.repeat(np.arange(len(CLASSES)), of_class)
        vectors = random.normal(0, 1, (len(labels), WIDTH)).astype(np.float32)
        if not noise:
            vectors[np.arange(len(labels)), labels] += 8
        examples = [
            build_example(f'{split}/{i}', b'', vector, CLASSES[label], CLASSES)
            for i, (vector, label) in enumerate(zip(vectors, labels, strict=True))
        ]
        write_shard(folder / shards[-1], examples)
    manifest = {
        'name': name,
        'classes': CLASSES,
        'backbone': {'file': 'none.pb', 'sha256': '00', 'bottleneck': 'pool_3:0', 'width': WIDTH},
        'precision': 'float32',
        'counts': {split: sum(of_class) for split, of_class in numbers.items()},
        'untrained': [c for c, number in zip(CLASSES, numbers['train'], strict=True) if not number],
        'shards': shards,
        'fingerprint': name,
        'complete': True,
    }
    files.write_json(folder / MANIFEST, manifest)


def warned(capsys, name: str, *flags: str) -> str:
    train.main(
        ['--name', name, '--layers', '16,4', '--steps', '60', '--learning-rate', '0.01', '--fresh', *flags]
    )
    return '\n'.join(
        line for line in capsys.readouterr().out.splitlines() if 'warning' in line or 'needs' in line
    )


def test_a_head_that_guesses_is_told(capsys):
    write('noise', True, train=[60] * 4, validation=[10] * 4, test=[10] * 4)
    told = warned(capsys, 'noise')
    assert 'test top-1 of' in told and 'is at chance' in told
    assert 'always guessing the most frequent class (25.0%)' in told


def test_few_photos_of_one_class_do_not_blame_the_backbone(capsys):
    write('one_class_tested', False, train=[60] * 4, validation=[10] * 4, test=[5, 0, 0, 0])
    told = warned(capsys, 'one_class_tested')
    assert (
        'test top-1 of 100.0% is not distinguishable from chance on 5 photos: always guessing the most '
        'frequent class gives 100.0%' in told
    )
    assert 'backbone' not in told


def test_a_good_head_on_enough_photos_is_not_warned_of(capsys):
    write('plain', False, train=[60] * 4, validation=[10] * 4, test=[10] * 4)
    assert warned(capsys, 'plain') == ''


def test_small_splits_and_what_a_class_needs_are_told(capsys):
    write('small_splits', False, train=[20] * 4, validation=[3] * 4, test=[7, 7, 7, 8])
    told = warned(capsys, 'small_splits')
    assert 'validation has 12 photos, fewer than 30: each is 8.3% of the accuracy' in told
    assert 'test has 29 photos' in told and 'train has' not in told
    assert 'a class needs about 100 photos (400 in all)' in told


def test_classes_without_training_photos_are_named(capsys):
    write('untrained', False, train=[60, 60, 60, 0], validation=[12] * 4, test=[12] * 4)
    assert 'classes without training photos cannot be predicted: durian' in warned(capsys, 'untrained')
    # With all splits it is learned from the other ones.
    assert 'durian' not in warned(capsys, 'untrained', '--all-splits', '--folds', '2')


def test_untrained_classes_of_records_without_that_note_are_counted(clusters):
    records = open_records('untrained')
    manifest = {key: value for key, value in records.manifest.items() if key != 'untrained'}
    old = Records(records.folder, manifest)
    assert score_warnings.untrained(old, ['train']) == ['durian']
    assert score_warnings.untrained(old, ['train', 'validation']) == []
    assert score_warnings.untrained(records, ['train']) == ['durian']


def test_records_with_lists_of_their_own_are_told_so(clusters):
    records = open_records('small_splits')
    listed = Records(records.folder, records.manifest | {'split_by': 'test list'})
    scores = {'test': {'examples': 3, 'top_1': 1.0, 'most_frequent': 0.5}}
    assert 'each split 30 photos in all' in score_warnings.warnings(listed, {}, scores)[-1]


@pytest.mark.parametrize('cache', [True, False])
def test_the_training_score_of_fine_tuning_is_of_different_photos(cache):
    write('varied', False, train=[1] * len(CLASSES))
    facts = {'learned_from': ['train'], 'settings': {'cache': cache, 'variants': 4}}
    scores = {'train': {'examples': 8, 'top_1': 1.0, 'most_frequent': 0.5, 'log_loss': 0.1}}
    told = score_warnings.warnings(open_records('varied'), facts, scores)
    assert any('train has 8 photos, fewer than 30' in line for line in told)
    assert not any('from chance' in line for line in told)
