"""The analysis from end to end, on records of a few examples and a model of three numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from src.analysis import training_perf_analysis
from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation.convert import MANIFEST
from src.data_preparation.tf_record_utils import build_example, shard_name, write_shard
from src.graph.graph_io import with_facts, write_graph
from tests.pictures import encoded, photo

CLASSES = ['ant_eater', 'bär', 'cat', 'dog']
BACKBONE = {'file': 'tiny.pb', 'sha256': '12ab', 'bottleneck': 'pool_3:0', 'width': 4}
# (class, what the model takes it for); no dog is among the test photos
TEST = [('ant_eater', 'ant_eater'), ('bär', 'cat'), ('bär', 'bär'), ('cat', 'bär'), ('cat', 'dog')]
TRAIN = [('dog', 'dog'), ('cat', 'cat')]
TABLES = {'training_confusion.csv', 'class_scores.csv', 'confusion_matrix.csv', 'confused_pairs.csv'}
PICTURES = {'confusion_matrix.png', 'confused_pairs.png', 'worst_mistakes.jpg'}


def write_records(name: str, **examples: list[tuple[str, str]]) -> None:
    folder = paths.records(name)
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for split, pairs in examples.items():
        shards.append(shard_name(split, 0, 1))
        write_shard(
            folder / shards[-1],
            [
                build_example(
                    f'{split}/{number}.jpg',
                    encoded(photo(seed=number)) if number != 1 else b'damaged',
                    # further down the list, less certain
                    np.eye(4, dtype=np.float32)[CLASSES.index(taken)] * (9 - number),
                    actual,
                    CLASSES,
                )
                for number, (actual, taken) in enumerate(pairs)
            ],
        )
    manifest = {
        'name': name,
        'classes': CLASSES,
        'backbone': BACKBONE,
        'counts': {split: len(pairs) for split, pairs in examples.items()},
        'shards': shards,
        'complete': True,
    }
    files.write_json(folder / MANIFEST, manifest)


def write_model(name: str, labels: list[str] = CLASSES, backbone: dict = BACKBONE) -> None:
    """A graph whose probabilities are the softmax of its bottleneck."""
    with tf.Graph().as_default() as graph:
        contents = tf.placeholder(tf.string, [], name='DecodeJpeg/contents')
        image = tf.image.decode_jpeg(contents, channels=3, name='DecodeJpeg')
        pixels = tf.image.resize_bilinear(tf.cast(image, tf.float32)[None], [8, 8], name='ResizeBilinear')
        means = tf.reduce_mean(pixels, [1, 2])
        tf.identity(tf.concat([means, means[:, :1]], 1), name='pool_3')
        tf.nn.softmax(graph.get_tensor_by_name('pool_3:0'), name='output_node')
        write_graph(with_facts(graph.as_graph_def(), labels, {'backbone': backbone}), paths.frozen(name))


@pytest.fixture(scope='module', autouse=True)
def home():
    write_records('tiny', test=TEST, train=TRAIN)
    write_model('tiny')


def analyse(*flags: str) -> None:
    training_perf_analysis.main(['--name', 'tiny', *flags])


def test_everything_is_written(capfd):
    analyse()
    told, complaints = capfd.readouterr()
    out = paths.analysis('tiny')
    assert {path.name for path in out.iterdir()} == TABLES | PICTURES
    for name in PICTURES:
        with Image.open(out / name) as image:
            image.load()
        assert str(out / name) in told
    assert complaints == ''
    assert 'next: open' in told and 'top-1' in told and '40.0%' in told


def test_tables(tmp_path):
    analyse('--out', str(tmp_path))
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


def test_all_splits(tmp_path):
    analyse('--out', str(tmp_path), '--split', 'all')
    splits = pd.read_csv(tmp_path / 'training_confusion.csv')['split']
    assert splits.value_counts().to_dict() == {'test': 5, 'train': 2}


def test_without_mistakes_old_pictures_of_mistakes_go(tmp_path, capsys):
    analyse('--out', str(tmp_path))
    analyse('--out', str(tmp_path), '--split', 'train')
    assert {path.name for path in tmp_path.iterdir()} == TABLES | {'confusion_matrix.png'}
    assert 'no mistakes at all' in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / 'confused_pairs.csv')) == 0


def test_a_split_without_examples_is_refused(tmp_path):
    with pytest.raises(UserError, match='no examples in validation'):
        analyse('--out', str(tmp_path), '--split', 'validation')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('labels', 'words'),
    [
        ([*CLASSES[:2], 'cow', 'dog'], "not 'cat'"),
        (CLASSES[::-1], 'the same names in another order'),
    ],
)
def test_other_labels_are_refused(labels, words):
    write_model('others', labels=labels)
    with pytest.raises(UserError, match=words):
        analyse('--model', 'others')


def test_another_backbone_is_refused():
    write_model('elsewhere', backbone=BACKBONE | {'sha256': '34cd', 'file': 'big.pb'})
    with pytest.raises(UserError, match=r'another backbone \(big.pb\) than .* \(tiny.pb\)'):
        analyse('--model', 'elsewhere')


def test_a_missing_model_is_named_with_the_command_that_makes_it():
    with pytest.raises(UserError, match=r'src\.freezing\.freeze --name tiny --model nowhere'):
        analyse('--model', 'nowhere')
