"""Maps of importance, whether they can be believed, and the command."""

from __future__ import annotations

import re
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from src.common import paths
from src.common.errors import UserError
from src.common.names import resolve_model
from src.common.tf1 import tf
from src.interpret import saliency
from src.interpret.attribution import Attributions
from src.interpret.opened import open_network
from src.interpret.perturbation import GRID, Curves, Verdict, curves_of, judge, moved_orders, order_of
from src.interpret.saliency_report import _draw_kind
from tests.interpret.networks import color_classifier, spot
from tests.pictures import encoded, photo


@pytest.fixture
def colors(tmp_path):
    return open_network(resolve_model(str(color_classifier(tmp_path / 'colors.pb'))))


def write(path, picture) -> str:
    path.write_bytes(encoded(picture, 'PNG'))
    return str(path)


@pytest.mark.parametrize('corner', [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_both_maps_find_the_spot_and_are_believed(colors, tmp_path, corner):
    path = tmp_path / 'spot.png'
    write(path, spot((0, 255, 0), corner))
    picture = colors.read(path)
    with Attributions(colors.model) as attributions:
        assert attributions.probabilities(picture.pixels[None])[0].argmax() == 1
        maps = saliency.maps_of(colors, attributions, picture, 1)
    assert [one.name for one in maps] == ['Grad-CAM', 'Integrated gradients']
    for one in maps:
        place = np.unravel_index(one.importance.argmax(), one.importance.shape)
        assert (
            tuple(int(at >= size // 2) for at, size in zip(place, one.importance.shape, strict=True))
            == corner
        )
        assert one.verdict.deletion_better and one.verdict.insertion_better
        assert 'believe it: deletion score' in one.judged()


@pytest.mark.parametrize('kind', ['deletion', 'insertion'])
def test_no_curve_crosses_the_legend(kind):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rising = np.linspace(0, 1, 11)
    curves = [Curves(rising[::-1], rising), Curves(1 - rising**0.01, rising**0.01)]  # through every corner
    maps = [saliency.Map(f'map {i}', np.ones((2, 2)), Verdict(one, curves)) for i, one in enumerate(curves)]
    figure = Figure(figsize=(5, 4.1))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _draw_kind(axes, maps, kind)
    figure.tight_layout()
    figure.canvas.draw()
    legend = axes.get_legend()
    assert len(legend.get_texts()) == 4
    box = legend.get_window_extent()
    assert not box.overlaps(axes.get_window_extent()) and not box.overlaps(
        axes.xaxis.label.get_window_extent()
    )


def test_a_map_of_the_wrong_place_is_not_believed(colors, tmp_path):
    path = tmp_path / 'spot.png'
    write(path, spot((255, 0, 0), (0, 0)))
    picture = colors.read(path)
    wrong = np.add.outer(np.arange(GRID), np.arange(GRID))  # the spot comes last
    with Attributions(colors.model) as attributions:
        verdict = judge(wrong, picture.pixels, 0.0, lambda x: attributions.probabilities(x)[:, 0])
    assert not verdict.deletion_better
    assert 'do not believe it' in saliency.Map('Wrong', wrong, verdict).judged()


def test_integrated_gradients_add_up_to_the_difference_of_the_probabilities(tmp_path):
    shipped = open_network(resolve_model(str(paths.POCKET_DOGS)))
    path = tmp_path / 'photo.png'
    write(path, photo(120, 100, seed=2))
    pixels = shipped.read(path).pixels
    with Attributions(shipped.model) as attributions:
        both = attributions.probabilities(np.stack([pixels, np.zeros_like(pixels)]))
        index = int(both[0].argmax())
        found = attributions.integrated_gradients(pixels, index, 0.0, steps=128)
    assert found.sum() == pytest.approx(both[0, index] - both[1, index], abs=0.02)
    assert abs(both[0, index] - both[1, index]) > 0.05


def test_curves_begin_and_end_with_whole_pictures():
    pixels = np.random.default_rng(0).uniform(0, 1, (30, 40, 3)).astype(np.float32)
    order = order_of(np.random.default_rng(1).random((7, 7)))
    curves = curves_of(order, pixels, 0.5, lambda x: x.var((1, 2, 3)))
    assert curves.deletion[0] == curves.insertion[-1] == pytest.approx(pixels.var(), rel=1e-5)
    assert curves.deletion[-1] == pytest.approx(0, abs=1e-9)
    assert (np.diff(curves.deletion) <= 1e-4).all()


def test_random_masks_have_the_shapes_of_the_map():
    order = order_of(np.arange(GRID * GRID, dtype=np.float32).reshape(GRID, GRID))
    for moved in moved_orders(order, seed=3):
        assert sorted(moved) == sorted(order) and (moved != order).any()
        first = np.zeros((GRID, GRID), bool)
        first.ravel()[moved[:GRID]] = True  # one whole row, as in the map
        assert sorted(first.sum(1)) in (
            [0] * (GRID - 1) + [GRID],
            [0] * (GRID - 2) + sorted(first.sum(1))[-2:],
        )


def test_scores_are_areas():
    order = np.arange(GRID * GRID)
    ones = curves_of(order, np.ones((14, 14, 3), np.float32), 0.0, lambda x: x.mean((1, 2, 3)))
    assert ones.deletion_score == pytest.approx(0.5, abs=0.01)
    assert Verdict(ones, [ones]).random_deletion == ones.deletion_score


def test_the_command_writes_pngs_and_a_page_without_other_files(tmp_path, capsys):
    model = color_classifier(tmp_path / 'colors.pb')
    picture = write(tmp_path / 'spot.png', spot((0, 0, 255), (1, 0)))
    saliency.main([str(model), picture, '--out', str(tmp_path / 'out')])
    said = capsys.readouterr().out
    assert 'blue' in said and 'Grad-CAM: believe it' in said and 'next: open' in said
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'spot_curves.png',
        'spot_saliency.html',
        'spot_saliency.png',
    ]
    with Image.open(tmp_path / 'out' / 'spot_saliency.png') as drawn:
        assert drawn.format == 'PNG' and drawn.width > 1000
    page = (tmp_path / 'out' / 'spot_saliency.html').read_text()
    assert page.count('src="data:image/png;base64,') == 2
    assert not re.search(r'(src|href)="(?!data:|#)', page) and 'http' not in page


def test_the_default_folder_is_that_of_the_model(tmp_path):
    picture = write(tmp_path / 'spot.png', spot((0, 0, 255)))
    saliency.main([str(color_classifier(tmp_path / 'colors.pb')), picture])
    assert (paths.METRICS_DIR / 'colors' / 'interpret' / 'spot_saliency.html').exists()


def test_another_class_may_be_named(tmp_path, capsys):
    model = str(color_classifier(tmp_path / 'colors.pb'))
    picture = write(tmp_path / 'spot.png', spot((255, 0, 0)))
    for wanted in ('Green', '1'):
        saliency.main([model, picture, '--class', wanted, '--out', str(tmp_path / 'out')])
        said = capsys.readouterr().out
        assert 'spot.png: green' in said and 'Grad-CAM: flat, as nothing' in said
    with pytest.raises(UserError, match="no class 'gren'; similar: green"):
        saliency.main([model, picture, '--class', 'gren', '--out', str(tmp_path / 'out')])
    for large in ('9', '9' * 5000):  # Python refuses to convert the second one
        with pytest.raises(UserError, match='give a number below 3'):
            saliency.main([model, picture, '--class', large, '--out', str(tmp_path / 'out')])


def test_a_picture_of_one_color_gives_flat_maps_and_says_so(tmp_path, capsys):
    picture = write(tmp_path / 'flat.png', np.full((50, 70, 3), 90, np.uint8))
    saliency.main([str(paths.POCKET_DOGS), picture, '--out', str(tmp_path / 'out')])
    said = capsys.readouterr().out
    assert said.count('flat, as the picture has one color') == 2
    assert 'one color' in (tmp_path / 'out' / 'flat_saliency.html').read_text()
    assert not (tmp_path / 'out' / 'flat_curves.png').exists()


def test_an_op_without_a_gradient_is_one_line(tmp_path):
    model = color_classifier(tmp_path / 'colors.pb', lambda x: tf.floor(x, name='floored'))
    picture = write(tmp_path / 'spot.png', spot((255, 0, 0)))
    with pytest.raises(UserError, match=r'no gradient .*: Floor at floored has none'):
        saliency.main([str(model), picture, '--out', str(tmp_path / 'out')])


def test_bad_input_is_one_line(tmp_path):
    model = str(color_classifier(tmp_path / 'colors.pb'))
    with pytest.raises(UserError, match=r'there is no .*none.png'):
        saliency.main([model, str(tmp_path / 'none.png')])
    (tmp_path / 'text.jpg').write_text('no picture')
    with pytest.raises(UserError, match=r'text\.jpg: not an image'):
        saliency.main([model, str(tmp_path / 'text.jpg')])
    picture = write(tmp_path / 'spot.png', spot((255, 0, 0)))
    with pytest.raises(UserError, match='is a file: choose another folder'):
        saliency.main([model, picture, '--out', picture])
    with pytest.raises(UserError, match='has no class probabilities: its last tensor is pool_3:0'):
        saliency.main([str(paths.POCKET_GRAPH_DEF), picture])


def test_a_public_network_with_labels_beside_it_finds_the_cat(real_data, tmp_path, capsys):
    backbones = real_data / 'backbones'
    model = tmp_path / 'mobilenet.pb'
    shutil.copyfile(backbones / 'mobilenet_v2_1.0_224.pb', model)
    shutil.copyfile(backbones / 'imagenet_labels.txt', tmp_path / 'mobilenet.txt')
    with zipfile.ZipFile(real_data / 'dogs_vs_cats' / 'train.zip') as photos:
        (tmp_path / 'cat.jpg').write_bytes(photos.read('train/cat.12.jpg'))
    saliency.main([str(model), str(tmp_path / 'cat.jpg'), '--out', str(tmp_path / 'out')])
    said = capsys.readouterr().out
    assert 'tabby' in said and said.count(': believe it') == 2
