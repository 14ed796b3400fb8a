"""Test-time views of frozen models: averaged as logits, by every way in, for models that were validated."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from src.common.errors import UserError
from src.graph.frozen import load_graph
from src.graph.graph_io import read_graph, write_graph
from src.graph.model_info import VIEWS_KEY
from src.inference import classify, inference, serve
from src.inference.predictor import load_model
from src.inference.runtimes.base import BATCH
from src.inference.runtimes.tensorflow import TensorFlowPredictor
from src.inference.server.admission import AdmissionLimit
from src.inference.server.app import create_app
from src.inference.server.metrics import Metrics
from src.inference.server.models import Models
from src.inference.server.service import Limits
from src.inference.views import require_validated
from tests.inference.models import SHARPNESS, SIDES, bright_above, brightest_side
from tests.interpret.networks import color_classifier, spot
from tests.pictures import encoded, photo

VALIDATED = {'1': {'log_loss': 0.3}, '2': {'log_loss': 0.2}, '6': {'log_loss': 0.1}}


@pytest.fixture
def side(tmp_path):
    """A model for which left and right differ, validated with two and six views."""
    return brightest_side(tmp_path / 'side.pb', validated_views=VALIDATED)


def probabilities_in_numpy(pixels: np.ndarray, views: int) -> np.ndarray:
    """The softmax of the mean logits [N, 4] of `brightest_side`, for pixels [N, 8, 8, 3]."""
    padded = np.pad(pixels, [(0, 0), (1, 1), (1, 1), (0, 0)], 'reflect')
    shifted = [pixels, padded[:, 2:, 2:], padded[:, :8, :8]][: 1 if views == 2 else 3]
    logits = []
    for one in (view for picture in shifted for view in (picture, picture[:, :, ::-1])):
        grey = one.mean(3)
        halves = grey[:, :4], grey[:, 4:], grey[:, :, :4], grey[:, :, 4:]
        logits.append(SHARPNESS * np.stack([half.mean((1, 2)) for half in halves], 1))
    weights = [0.5, 0.5] if views == 2 else [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    powers = np.exp(np.average(logits, axis=0, weights=weights))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize('weights_as_variables', [True, False])
@pytest.mark.parametrize('views', [2, 6])
def test_logits_are_averaged_over_the_views(side, views, weights_as_variables):
    model = load_model(side, weights_as_variables, views)
    pixels = np.random.default_rng(5).uniform(0, 255, (7, 8, 8, 3)).astype(np.float32)
    pixels[:, :, 4:] /= 3  # the right is darker
    wanted = probabilities_in_numpy(pixels, views)
    np.testing.assert_allclose(model.from_pixels(pixels), wanted, atol=1e-5)
    assert np.abs(load_model(side).from_pixels(pixels) - wanted).max() > 0.01


@pytest.mark.parametrize('views', [2, 6])
def test_every_way_in_gives_the_same(side, views):
    model = load_model(side, views=views)
    jpegs = [encoded(photo(seed=n), 'JPEG') for n in range(BATCH + 3)]
    pixels = np.stack([model.reader.read(data) for data in jpegs])
    wanted = probabilities_in_numpy(pixels.astype(np.float64), views)
    np.testing.assert_allclose(list(model.from_pictures(jpegs)), wanted, atol=1e-5)
    mixed = [data if n % 2 else pixels[n] for n, data in enumerate(jpegs[:8])]
    np.testing.assert_allclose(model.from_mixed(mixed), wanted[:8], atol=1e-5)


def test_a_bottleneck_with_the_name_of_an_op_that_makes_views(tmp_path):
    """`concat` is TensorFlow's default name of the op that puts the views one after the other."""
    facts = {'backbone': {'bottleneck': 'concat:0', 'width': 4}, 'validated_views': VALIDATED}
    path = brightest_side(tmp_path / 'names.pb', **facts)
    graph_def = read_graph(path)
    for node in graph_def.node:
        node.name = {'pool_3': 'concat'}.get(node.name, node.name)
        node.input[:] = ['concat' if name == 'pool_3' else name for name in node.input]
    write_graph(graph_def, path)
    model = load_model(path, views=2)
    pixels = np.random.default_rng(6).uniform(0, 255, (3, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(model.from_pixels(pixels), probabilities_in_numpy(pixels, 2), atol=1e-5)
    assert model.from_bottlenecks(np.array([[9, 200, 9, 9]], np.float32)).argmax() == 1


def test_a_probability_of_zero_in_one_view_gives_no_nan(tmp_path):
    path = brightest_side(tmp_path / 'sharp.pb', sharpness=50, validated_views=VALIDATED)
    half = np.zeros((1, 8, 8, 3), np.float32)
    half[:, :, :4] = 255
    assert load_model(path).from_pixels(half)[0].tolist() == [0, 0, 1, 0]
    both = load_model(path, views=2).from_pixels(half)[0]
    np.testing.assert_allclose(both, [0, 0, 0.5, 0.5], atol=1e-6)


def test_a_batch_holds_as_many_pictures_as_without_views(side):
    assert [load_model(side, views=views).batch * views for views in (1, 2, 6)] == [BATCH, BATCH, 30]


def test_bottlenecks_are_of_one_view(side):
    bottlenecks = np.array([[100, 50, 90, 10]], np.float32)
    np.testing.assert_array_equal(
        load_model(side, views=2).from_bottlenecks(bottlenecks),
        load_model(side).from_bottlenecks(bottlenecks),
    )


def test_grad_cam_is_that_of_the_plain_picture(tmp_path):
    model = load_graph(color_classifier(tmp_path / 'colors.pb'))
    plain, viewed = TensorFlowPredictor(model), TensorFlowPredictor(model, views=6)
    pixels = plain.reader.read(encoded(spot((0, 255, 0), (0, 1)), 'PNG'))
    wanted = plain.grad_cam(pixels, 1)
    assert wanted.max() > 0 and not np.allclose(wanted, wanted[:, ::-1])
    np.testing.assert_allclose(viewed.grad_cam(pixels, 1), wanted, rtol=1e-5)


def test_a_model_that_was_not_validated_is_refused(tmp_path):
    path = brightest_side(tmp_path / 'side.pb', model='tops', validated_views={'1': {}, '2': {}})
    load_model(path, views=2)
    refused = (
        r'side\.pb was not validated with 6 views: .* python -m src\.freezing\.freeze --model tops --views 6'
    )
    for run in (
        lambda: load_model(path, views=6),
        lambda: classify.main([str(path), '--model', str(path), '--views', '6']),
        lambda: inference.main([str(tmp_path), '--model', str(path), '--views', '6']),
        lambda: serve.main(['--model', str(path), '--views', '6', '--port', '0']),
    ):
        with pytest.raises(UserError, match=refused):
            run()
    stranger = brightest_side(tmp_path / 'old.pb')  # of an earlier version: it holds no such note
    with pytest.raises(UserError, match=r'freeze --model old --views 2'):
        load_model(stranger, views=2)


def test_pixels_in_a_column_have_no_views(side):
    model = load_graph(side)
    object.__setattr__(model.preprocessing, 'width', 1)
    refused = '--views 2 is for models of one backbone, and this joins several: leave --views out'
    with pytest.raises(UserError, match=f'{refused}$'):
        TensorFlowPredictor(model, views=2)
    with pytest.raises(UserError, match=f'{refused}$'):  # not: run freeze --views, which would refuse it
        require_validated(model, side, 2)
    model.info[VIEWS_KEY] = 2
    with pytest.raises(UserError, match=r'leave --views out \(the model averages a photo and its mirror'):
        TensorFlowPredictor(model, views=2)


def test_classify_averages(side, tmp_path, capsys):
    picture = tmp_path / 'p.png'
    picture.write_bytes(encoded(bright_above(64, 64).swapaxes(0, 1), 'PNG'))
    (wanted,) = load_model(side, views=2).from_pictures([picture.read_bytes()])
    classify.main([str(picture), '--model', str(side), '--views', '2', '--json', '--top', '4'])
    (answer,) = json.loads(capsys.readouterr().out)
    found = {entry['label']: entry['probability'] for entry in answer['classes']}
    np.testing.assert_allclose([found[label] for label in SIDES], wanted, atol=1e-6)
    assert found['left'] == pytest.approx(found['right'], abs=1e-4)
    table = classify.classify('file', picture, side, views=2).set_index('breed')
    np.testing.assert_allclose(table.prob[SIDES], wanted, atol=1e-6)
    assert classify.classify('file', picture, side).breed[0] == 'left'


def test_the_server_averages_on_all_routes(side):
    models = Models([side], views=2)
    limit = AdmissionLimit(16, Metrics().queued)
    client = create_app(models, limit, Metrics(), Limits()).test_client()
    data = encoded(bright_above(64, 64).swapaxes(0, 1), 'PNG')
    (wanted,) = load_model(side, views=2).from_pictures([data])
    classes = client.post('/classify', data=data).json['pictures'][0]['classes']
    found = {entry['label']: entry['probability'] for entry in classes}
    np.testing.assert_allclose([found[label] for label in SIDES], wanted, atol=1e-5)
    body = json.dumps({'instances': [{'b64': base64.b64encode(data).decode()}]})
    predicted = client.post('/v1/models/side:predict', data=body).json['predictions']
    np.testing.assert_allclose(predicted, [wanted], atol=1e-5)
    models.close()


def test_a_new_version_that_was_not_validated_leaves_the_old_one_served(side):
    models = Models([side], views=2)
    brightest_side(side.with_name('new.tmp')).rename(side)
    with pytest.raises(UserError, match='was not validated with 2 views'):
        models.slot('side').refresh()
    with models.use('side') as served:
        assert served.version == 1
    models.close()
