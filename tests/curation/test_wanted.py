"""Which classes of a classifier are wanted, and photos that are of none of them."""

from __future__ import annotations

import pytest

from src.common import paths
from src.common.errors import UserError
from src.curation import review
from src.curation.findings import read_findings
from src.curation.wanted import KINDS, names_in, names_of_classes, wanted_classes
from src.graph.model_info import labels_in
from tests.curation.data import bottleneck, jpeg, scene, write_data_set
from tests.graph.real import dogs_and_cats

LABELS = [
    '0  tabby, tabby cat',
    '1  Cardigan, Cardigan Welsh corgi',
    '2  cardigan',
    '3  n02123597-Siamese_cat',
]


def test_names_are_synonyms_in_the_same_case_if_possible():
    assert wanted_classes(LABELS, ['tabby cat']) == [0]
    assert wanted_classes(LABELS, ['Cardigan']) == [1]
    assert wanted_classes(LABELS, ['cardigan']) == [2]
    assert wanted_classes(LABELS, ['TABBY', 'Cardigan Welsh corgi']) == [0, 1]
    assert wanted_classes(['n02123597-Siamese_cat', 'Egyptian_cat'], ['siamese cat']) == [0]


def test_an_unknown_name_is_refused_with_similar_ones():
    with pytest.raises(UserError, match=r"no class 'tabbi': correct --wanted; similar names: tabby"):
        wanted_classes(LABELS, ['tabbi'])


def test_a_list_and_a_file_name_the_same_classes(tmp_path):
    (tmp_path / 'kinds').write_text('tabby\n\n Cardigan \n')
    assert names_in(str(tmp_path / 'kinds')) == names_in('tabby, Cardigan') == ['tabby', 'Cardigan']
    with pytest.raises(UserError, match='cannot read'):
        names_in(str(tmp_path / 'missing.txt'))
    with pytest.raises(UserError, match='names no classes'):
        names_in(' , ')


def test_the_classes_of_a_data_set_say_what_is_wanted():
    assert names_of_classes(['Cat', 'dogs'], LABELS) == ['cats', 'dogs']
    assert names_of_classes(['n02113186-Cardigan', 'tabby'], LABELS) == ['Cardigan', 'tabby']
    with pytest.raises(UserError, match="no class 'tulip': name the classes"):
        names_of_classes(['tulip'], LABELS)


def test_the_lists_of_cats_and_dogs_have_imagenets_numbers():
    cats, dogs = (labels_in(KINDS / f'{kind}.txt') for kind in ('cats', 'dogs'))
    assert (len(cats), len(dogs)) == (7, 125)
    assert len({*cats, *dogs}) == 132


def test_all_names_of_the_lists_are_classes_of_imagenet(real_data):
    labels = labels_in(real_data / 'backbones' / 'imagenet_labels.txt')
    assert wanted_classes(labels, ['cats']) == list(range(282, 289))
    assert wanted_classes(labels, ['dogs']) == list(range(152, 277))


@pytest.mark.parametrize('graph', ['mobilenet_v2_1.0_224.pb', 'efficientnet_lite0_224.pb'])
def test_a_photo_without_animal_is_not_of_the_wanted_kind(graph, real_data):
    """Graphs with 1,001 and with 1,000 classes take the same list."""
    photos = dogs_and_cats(real_data, 8) | {'cat.shapes.jpg': jpeg(scene(1))}
    rows = [(id_, 'train', id_[:3], data, bottleneck(0, i)) for i, (id_, data) in enumerate(photos.items())]
    write_data_set('kinds', ['cat', 'dog'], rows)
    folder = real_data / 'backbones'
    flags = ['--classifier', str(folder / graph), '--labels', str(folder / 'imagenet_labels.txt')]
    review.main(['kinds', *flags, '--only', 'not-the-wanted-kind'])
    (found,) = read_findings(paths.METRICS_DIR / 'kinds' / 'review.csv')
    assert found.id == 'cat.shapes.jpg' and found.score > 1
    assert found.detail.startswith('looks like ')
