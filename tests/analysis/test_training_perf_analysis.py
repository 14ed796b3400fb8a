"""The whole analysis, on records of a few examples and a model that is the softmax of the bottleneck."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from src.analysis import report, training_perf_analysis
from src.common import errors, files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation.conversion.job import MANIFEST
from src.drawing import Tile, contact_sheet
from src.graph.graph_io import write_graph
from src.graph.model_info import with_facts
from src.inference.predictor import load_model
from src.records.example import build_example, shard_name, write_shard
from tests.lite import tflite_of
from tests.pictures import encoded, photo

CLASSES = ['ant_eater', 'bär', 'cat', 'dog']
BACKBONE = {'file': 'tiny.pb', 'sha256': '12ab', 'bottleneck': 'pool_3:0', 'width': 4}
# (actual class, predicted class); no dog is among the test photos
TEST = [('ant_eater', 'ant_eater'), ('bär', 'cat'), ('bär', 'bär'), ('cat', 'bär'), ('cat', 'dog')]
TRAIN = [('dog', 'dog'), ('cat', 'cat')]
TABLES = {'training_confusion.csv', 'class_scores.csv', 'confusion_matrix.csv', 'confused_pairs.csv'}
PICTURES = {'confusion_matrix.png', 'reliability.png', 'confused_pairs.png', 'worst_mistakes.jpg'}


def write_records(name: str, **examples: list[tuple[str, str]]) -> None:
    """Write records of a few photos with their (actual class, predicted class)."""
    # The further down the list, the lower the probability.
    bottlenecks = {
        split: [
            (actual, np.eye(4, dtype=np.float32)[CLASSES.index(predicted)] * (9 - number))
            for number, (actual, predicted) in enumerate(pairs)
        ]
        for split, pairs in examples.items()
    }
    write_bottlenecks(name, **bottlenecks)


def write_bottlenecks(name: str, **examples: list[tuple[str, np.ndarray]]) -> None:
    """Write records of photos with their (class, bottleneck [4] float32); the second picture is damaged."""
    folder = paths.records(name)
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for split, pairs in examples.items():
        shards.append(shard_name(split, 0, 1))
        pictures = [
            encoded(photo(seed=number)) if number != 1 else b'damaged' for number in range(len(pairs))
        ]
        write_shard(
            folder / shards[-1],
            [
                build_example(f'{split}/{number}.jpg', pictures[number], bottleneck, actual, CLASSES)
                for number, (actual, bottleneck) in enumerate(pairs)
            ],
        )
    manifest = {
        'name': name,
        'classes': CLASSES,
        'backbone': BACKBONE,
        'precision': 'float32',
        'fingerprint': 'f',
        'counts': {split: len(pairs) for split, pairs in examples.items()},
        'shards': shards,
        'complete': True,
    }
    files.write_json(folder / MANIFEST, manifest)


def write_model(name: str, labels: list[str] = CLASSES, backbone: dict = BACKBONE, **info) -> None:
    """Write a graph whose probabilities are the softmax of its bottleneck."""
    with tf.Graph().as_default() as graph:
        contents = tf.placeholder(tf.string, [], name='DecodeJpeg/contents')
        image = tf.image.decode_jpeg(contents, channels=3, name='DecodeJpeg')
        pixels = tf.image.resize_bilinear(tf.cast(image, tf.float32)[None], [8, 8], name='ResizeBilinear')
        means = tf.reduce_mean(pixels, [1, 2])
        tf.identity(tf.concat([means, means[:, :1]], 1), name='pool_3')
        tf.nn.softmax(graph.get_tensor_by_name('pool_3:0'), name='output_node')
        write_graph(
            with_facts(graph.as_graph_def(), labels, {'backbone': backbone} | info), paths.frozen(name)
        )


@pytest.fixture(scope='module', autouse=True)
def home():
    write_records('tiny', test=TEST, train=TRAIN)
    write_model('tiny')


def analyze(*flags: str) -> None:
    training_perf_analysis.main(['--name', 'tiny', *flags])


def test_everything_is_written(capfd):
    analyze()
    printed, stderr = capfd.readouterr()
    out = paths.analysis('tiny')
    assert {path.name for path in out.iterdir()} == TABLES | PICTURES
    for name in PICTURES:
        with Image.open(out / name) as image:
            image.load()
        assert str(out / name) in printed
    assert stderr == ''
    assert re.search(r'A +B +A→B +B→A +total\n +bär +cat +1 +1 +2\n +cat +dog +1 +0 +1\n', printed)
    assert 'next: open' in printed and 'top-1' in printed and '40.0%' in printed
    # All are sure (0.980 to 0.9996): mean confidence less accuracy, both of one bin.
    confidences = [np.exp(x) / (np.exp(x) + 3) for x in (9, 8, 7, 6, 5)]
    error = f'{np.mean(confidences) - 0.4:.1%}'
    assert re.search(rf'examples +top-1 +log loss +ECE\ntest +5 +40.0% +3\.\d+ +{error}\n', printed)


def test_tables(tmp_path):
    analyze('--out', str(tmp_path))
    table = pd.read_csv(tmp_path / 'training_confusion.csv')
    assert list(zip(table['actual'], table['pred'], strict=True)) == TEST
    assert table['id'].tolist() == [f'test/{number}.jpg' for number in range(5)]
    assert table['probability'].between(0.9, 1).all()
    scores = pd.read_csv(tmp_path / 'class_scores.csv').set_index('class')
    assert scores['examples'].tolist() == [1, 2, 2, 0]
    assert scores.loc['bär', ['precision', 'recall', 'f1']].tolist() == [0.5, 0.5, 0.5]
    assert scores.loc['dog', ['precision', 'recall', 'f1']].isna().all()
    counts = pd.read_csv(tmp_path / 'confusion_matrix.csv', index_col='actual')
    assert list(counts) == list(counts.index) == CLASSES
    assert counts.loc['cat'].tolist() == [0, 1, 0, 1]
    pairs = pd.read_csv(tmp_path / 'confused_pairs.csv')
    assert pairs.to_numpy().tolist() == [['bär', 'cat', 1, 1, 2], ['cat', 'dog', 1, 0, 1]]


def test_tables_agree_with_scikit_learn(tmp_path):
    from sklearn import metrics

    random = np.random.default_rng(4)
    labels = random.integers(0, 3, 150)  # no dogs
    logits = random.normal(size=(150, 4)) + 1.5 * np.eye(4)[labels]
    logits[:, 0] -= 9  # no ant eater is ever predicted
    examples = [(CLASSES[label], row.astype(np.float32)) for label, row in zip(labels, logits, strict=True)]
    write_bottlenecks('many', test=examples)
    write_model('many')
    training_perf_analysis.main(['--name', 'many', '--out', str(tmp_path)])

    actual, predicted = np.array(CLASSES)[labels], np.array(CLASSES)[logits.argmax(1)]
    table = pd.read_csv(tmp_path / 'training_confusion.csv')
    assert list(table) == ['id', 'split', 'actual', 'pred', 'probability', 'learned_from']
    assert table['id'].tolist() == [f'test/{number}.jpg' for number in range(150)]
    assert set(table['split']) == {'test'}
    assert (table['actual'] == actual).all() and (table['pred'] == predicted).all()
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(table['probability'], softmax.max(1), rtol=1e-4)

    counts = pd.read_csv(tmp_path / 'confusion_matrix.csv', index_col='actual')
    assert (counts.to_numpy() == metrics.confusion_matrix(actual, predicted, labels=CLASSES)).all()
    scores = pd.read_csv(tmp_path / 'class_scores.csv').set_index('class')
    *theirs, support = metrics.precision_recall_fscore_support(
        actual, predicted, labels=CLASSES, zero_division=0
    )
    assert scores['examples'].tolist() == support.tolist()
    for name, values in zip(('precision', 'recall', 'f1'), theirs, strict=True):
        np.testing.assert_allclose(scores[name].fillna(0), values, rtol=1e-5)
    assert np.isnan(scores.loc['ant_eater', 'precision']) and scores.loc['dog'].isna().sum() == 3


@pytest.mark.parametrize(('split', 'pairs'), [('test', TEST), ('train', TRAIN)])
def test_split_picks_the_examples(tmp_path, capsys, split, pairs):
    analyze('--out', str(tmp_path), '--split', split)
    table = pd.read_csv(tmp_path / 'training_confusion.csv')
    assert set(table['split']) == {split}
    assert list(zip(table['actual'], table['pred'], strict=True)) == pairs
    row = capsys.readouterr().out.splitlines()[1]
    assert row.startswith('train (training score)' if split == 'train' else 'test  ')
    assert f' {len(pairs)} ' in row


def test_the_worst_mistakes_come_first_with_their_files(tmp_path):
    analyze('--out', str(tmp_path))
    tiles = [
        Tile(b'damaged', 'bär', '100% cat', '1.jpg'),
        Tile(encoded(photo(seed=3)), 'cat', '99% bär', '3.jpg'),
        Tile(encoded(photo(seed=4)), 'cat', '98% dog', '4.jpg'),
    ]
    right, wrong = [9, 7], [8, 6, 5]  # the logit of the predicted class; those of the three others are 0
    losses = [np.log1p(3 * np.exp(-x)) for x in right] + [np.log(np.exp(x) + 3) for x in wrong]
    title = f'Worst mistakes: tiny on 5 test photos, top-1 40.0%, log loss {np.mean(losses):.3f}'
    note = 'Bold: the actual class. Below: probability and predicted class, then the file.'
    contact_sheet(tiles, tmp_path / 'expected.jpg', 3, title, note)  # no wider than the mistakes need
    assert (tmp_path / 'worst_mistakes.jpg').read_bytes() == (tmp_path / 'expected.jpg').read_bytes()


def test_all_splits(tmp_path):
    analyze('--out', str(tmp_path), '--split', 'all')
    splits = pd.read_csv(tmp_path / 'training_confusion.csv')['split']
    assert splits.value_counts().to_dict() == {'test': 5, 'train': 2}


def test_without_mistakes_old_pictures_of_mistakes_are_deleted(tmp_path, capsys):
    analyze('--out', str(tmp_path))
    assert 'weakest classes' in capsys.readouterr().out
    analyze('--out', str(tmp_path), '--split', 'train')
    assert {path.name for path in tmp_path.iterdir()} == TABLES | {'confusion_matrix.png', 'reliability.png'}
    printed = capsys.readouterr().out
    assert 'no mistakes' in printed and 'weakest classes' not in printed
    assert len(pd.read_csv(tmp_path / 'confused_pairs.csv')) == 0


def test_without_test_photos_there_is_one_clear_line(capsys):
    write_records('untested', train=TRAIN)
    write_model('untested')
    with pytest.raises(SystemExit) as ended:
        errors.run(lambda: training_perf_analysis.main(['--name', 'untested']))
    assert ended.value.code == 2
    printed, stderr = capsys.readouterr()
    folder = paths.shown(paths.records('untested'))
    assert stderr == f'error: {folder} has no examples in test: choose another --split\n'
    assert printed == ''
    assert not paths.analysis('untested').exists()


def test_a_split_without_examples_is_refused(tmp_path):
    with pytest.raises(UserError, match='no examples in validation'):
        analyze('--out', str(tmp_path), '--split', 'validation')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('labels', 'words'),
    [
        ([*CLASSES[:2], 'cow', 'dog'], "without 'cat'"),
        (CLASSES[::-1], 'the same names in another order'),
    ],
)
def test_other_labels_are_refused(labels, words):
    write_model('others', labels=labels)
    with pytest.raises(UserError, match=words):
        analyze('--model', 'others')


def test_another_backbone_is_refused():
    write_model('elsewhere', backbone=BACKBONE | {'sha256': '34cd', 'file': 'big.pb'})
    with pytest.raises(UserError, match=r'another backbone \(big.pb\) than .* \(tiny.pb\)'):
        analyze('--model', 'elsewhere')


def test_the_error_for_a_missing_model_names_the_command_that_makes_it():
    with pytest.raises(UserError, match=r'src\.training\.train --name tiny --model nowhere'):
        analyze('--model', 'nowhere')


# model_info of a model, and whether it was trained on the test photos.
LEARNED = [
    ({'data_set': 'tiny', 'learned_from': ['train', 'validation', 'test']}, True),
    ({'data_set': 'tiny', 'settings': {'all_splits': True}}, True),  # of an earlier version
    ({'data_set': 'tiny', 'settings': {'all_splits': False}}, False),
    ({'data_set': 'tiny', 'settings': {'with_validation': True}}, False),
    ({'data_set': 'other', 'records': 'another', 'settings': {'all_splits': True}}, False),
]


@pytest.mark.parametrize(('info', 'learned'), LEARNED)
def test_scores_on_training_photos_are_called_training_scores(tmp_path, capsys, info, learned):
    write_model('learned', **info)
    analyze('--model', 'learned', '--out', str(tmp_path))
    printed = capsys.readouterr().out
    assert ('test (training score)' in printed) == learned
    assert ('macro average (training score)' in printed) == learned
    assert ('expect lower scores on new photos' in printed) == learned
    assert pd.read_csv(tmp_path / 'training_confusion.csv')['learned_from'].tolist() == [learned] * 5
    kinds = set(pd.read_csv(tmp_path / 'class_scores.csv')['kind'])
    assert kinds == {'training score' if learned else 'held-out score'}
    assert ('trained on other: some of these may be training photos' in printed) == (
        info['data_set'] == 'other'
    )


@pytest.mark.parametrize('learned', [True, False])
def test_titles_of_pictures_name_training_scores(tmp_path, monkeypatch, learned):
    titles = []
    for name in ('heat_map', 'bar_chart_pairs', 'contact_sheet'):
        monkeypatch.setattr(report.drawing, name, lambda *args, title, **rest: titles.append(title))
    write_model('titled', data_set='tiny', learned_from=['train', 'test'] if learned else ['train'])
    analyze('--model', 'titled', '--out', str(tmp_path))
    assert len(titles) == 3
    assert all(title.endswith('(training score)') == learned for title in titles), titles


def test_scores_of_several_splits_have_the_kind_of_each(tmp_path, capsys):
    write_model('mixed', data_set='tiny', learned_from=['train'])
    analyze('--model', 'mixed', '--out', str(tmp_path), '--split', 'all')
    rows = capsys.readouterr().out.splitlines()[1:4]
    assert [row.split('  ')[0] for row in rows] == [
        'train (training score)',
        'test',
        'all (partly training score)',
    ]


def test_records_that_were_converted_again_are_doubted(tmp_path, capsys):
    write_model('before', data_set='tiny', records='of another conversion', learned_from=['train'])
    analyze('--model', 'before', '--out', str(tmp_path))
    assert 'converted again after training: some of these may be training photos' in capsys.readouterr().out


def test_a_tflite_file_predicts_from_the_pictures(capsys):
    """It has a folder of its own."""
    pytest.importorskip('ai_edge_litert')
    write_records('one', test=TEST[:1])
    write_model('one')
    graph = paths.frozen('one')
    lite = tflite_of(graph, graph.with_suffix('.tflite'))
    training_perf_analysis.main(['--name', 'one', '--model', str(lite)])
    out = paths.analysis('one_tflite')
    assert {path.name for path in out.iterdir()} >= TABLES and not paths.analysis('one').exists()
    table = pd.read_csv(out / 'training_confusion.csv')
    (expected,) = load_model(graph).from_pictures([encoded(photo(seed=0))])
    assert table['pred'].tolist() == [CLASSES[expected.argmax()]]
    assert table['probability'][0] == pytest.approx(expected.max(), abs=0.05)  # TensorFlow decodes coarsely
