"""The application: answers, refusals and headers, without a network."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import numpy as np
import pytest
from tensorflow.core.framework import types_pb2

from src.common.errors import UserError
from src.common.tf1 import tf
from src.freezing.frozen_to_saved_model import export
from src.inference.predictor import load_model
from src.inference.server.admission import AdmissionLimit
from src.inference.server.app import create_app
from src.inference.server.examples import knows_dogs
from src.inference.server.http import middleware
from src.inference.server.metrics import Metrics
from src.inference.server.models import Models
from src.inference.server.served import Served
from src.inference.server.service import FRAME_BYTES, Classifier, Limits, useful_bytes
from tests.inference.models import SIDES, bright_above, brightest_side
from tests.interpret.networks import color_classifier
from tests.pictures import bomb, encoded, photo, with_orientation

JPEG = encoded(bright_above(), 'JPEG', quality=95)
PNG = encoded(bright_above()[::-1].copy(), 'PNG')


def b64(data: bytes) -> dict:
    return {'b64': base64.b64encode(data).decode()}


def best_label(answer) -> str:
    return answer.json['pictures'][0]['classes'][0]['label']


def predict(server, body, name='side', **options):
    return server.post(f'/v1/models/{name}:predict', data=json.dumps(body), **options)


def test_classify_takes_one_picture_as_the_body(server):
    answer = server.post('/classify?top=2', data=JPEG, content_type='image/jpeg')
    assert answer.status_code == 200
    payload = answer.json
    assert (payload['model'], payload['version']) == ('side', '1') and payload['milliseconds'] > 0
    (picture,) = payload['pictures']
    assert len(picture['classes']) == 2 and picture['classes'][0]['label'] == 'top'
    assert picture['classes'][0]['probability'] > 0.8


@pytest.mark.parametrize('kind', ['text/plain', 'image/png', '', 'application/x-www-form-urlencoded'])
def test_the_content_type_of_a_picture_does_not_matter(server, kind):
    assert best_label(server.post('/classify', data=JPEG, content_type=kind)) == 'top'


def test_classify_takes_several_pictures_as_multipart_and_reports_bad_ones(server):
    parts = {
        'image': [
            (io.BytesIO(JPEG), 'a.jpg'),
            (io.BytesIO(b'no picture'), '../../etc/passwd'),
            (io.BytesIO(PNG), 'b.png'),
        ]
    }
    pictures = server.post('/classify', data=parts).json['pictures']
    assert [p['name'] for p in pictures] == ['a.jpg', '../../etc/passwd', 'b.png']
    assert pictures[1]['error'] == 'not an image'
    assert [pictures[i]['classes'][0]['label'] for i in (0, 2)] == ['top', 'bottom']


@pytest.mark.parametrize(
    'query, classes', [('', 4), ('?top=1', 1), ('?top=03', 3), ('?top=99', 4), (f'?top={"9" * 900}', 4)]
)
def test_classify_returns_the_requested_number_of_classes(server, query, classes):
    for sent in ({'data': JPEG}, {'data': {'image': (io.BytesIO(JPEG), 'a.jpg')}}):
        (picture,) = server.post(f'/classify{query}', **sent).json['pictures']
        assert len(picture['classes']) == classes
    other = server.post('/classify?top=1&model=other', data=JPEG)
    assert other.status_code == 404 and "no model 'other'" in other.json['error']


@pytest.mark.parametrize(
    'query, words',
    [
        ('top=abc', 'top=abc is not a whole number of at least 1'),
        ('top=0', 'top=0 is not'),
        ('top=-1', 'top=-1 is not'),
        ('top=1.5', 'top=1.5 is not'),
        ('top=', 'top= is not'),
        ('top=%D9%A3', 'is not a whole number'),
        ('top=1&top=2', "'top' is given 2 times"),
        ('tpo=3', "no parameter 'tpo': the parameters are model and top"),
    ],
)
def test_invalid_parameters_are_400(server, query, words):
    for sent in ({'data': JPEG}, {'data': {'image': (io.BytesIO(JPEG), 'a.jpg')}}):
        answer = server.post(f'/classify?{query}', **sent)
        assert answer.status_code == 400 and words in answer.json['error']


def test_requests_without_a_picture_are_400(server):
    for sent, words in (
        ({}, 'the request is empty'),
        ({'data': {'image': 'no file'}, 'content_type': 'multipart/form-data'}, 'holds no file'),
        ({'data': b'', 'content_type': 'multipart/form-data; boundary=x'}, 'holds no file'),
        ({'data': b'garbage', 'content_type': 'multipart/form-data'}, 'holds no file'),
        ({'data': {'image': (io.BytesIO(b''), 'a.jpg')}}, 'empty file'),
    ):
        answer = server.post('/classify', **sent)
        assert answer.status_code == 400 and words in answer.json['error'], answer.json


def test_models_may_have_any_name(tmp_path):
    path = brightest_side(tmp_path / 'hünde & 犬.pb')
    models = Models([path])
    try:
        client = create_app(models, AdmissionLimit(16), Metrics(), Limits()).test_client()
        name = quote(path.stem)
        assert client.get(f'/v1/models/{name}').status_code == 200
        for address in (f'/v1/models/{name}:predict', f'/v1/models/{name}/versions/1:predict'):
            answer = client.post(address, data=json.dumps({'instances': [b64(JPEG)]}))
            assert answer.status_code == 200, answer.json
        assert client.post(f'/classify?model={name}', data=JPEG).json['model'] == path.stem
    finally:
        models.close()


@pytest.mark.parametrize(
    'address, code',
    [
        ('/v1/models/side/versions/1:predict', 200),
        ('/v1/models/side/versions/2:predict', 404),
        ('/v1/models/side/versions/x:predict', 404),
        (f'/v1/models/side/versions/{"9" * 5000}:predict', 404),
        ('/v1/models/side/versions/٣:predict', 404),
        ('/v1/models/:predict', 405),
    ],
)
def test_predictions_by_version(server, address, code):
    assert server.post(address, data=json.dumps({'inputs': [b64(JPEG)]})).status_code == code


def test_predictions_are_posted(server):
    answer = server.get('/v1/models/side:predict')
    assert answer.status_code == 405 and answer.headers['Allow'] == 'POST'
    assert answer.json['error'].startswith('Method Not Allowed: GET /v1/models/side:predict; allowed: POST (')
    for address in ('/classify', '/v1/models/side:predict', '/nowhere'):
        head = server.client.head(address)
        assert head.status_code in (404, 405) and head.data == b''  # else the next answer would begin with it


def test_a_graph_that_fails_is_500_in_one_line_and_the_server_goes_on(server, monkeypatch, caplog):
    def fail(self, served, pictures):
        raise RuntimeError('out of luck')

    with monkeypatch.context() as patched:
        patched.setattr(Classifier, 'classify', fail)
        for sent in ({'data': JPEG}, {'data': {'image': (io.BytesIO(JPEG), 'a.jpg')}}):
            answer = server.post('/classify', **sent)
            assert answer.status_code == 500
            assert answer.json['error'] == 'Internal Server Error: POST /classify'
    assert caplog.text.count('out of luck') >= 2  # for whoever keeps the server
    assert server.post('/classify', data=JPEG).status_code == 200


def test_answers_are_those_of_classify(server):
    turned, large = with_orientation(JPEG, 6), encoded(photo(1200, 900), 'JPEG')
    pictures = [JPEG, PNG, turned, large]
    wanted = list(load_model(server.path).from_pictures(pictures))
    got = predict(server, {'instances': [b64(picture) for picture in pictures]}).json['predictions']
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    assert wanted[2].argmax() != wanted[0].argmax()  # EXIF is heeded
    np.testing.assert_allclose(
        predict(server, {'inputs': [b64(PNG)]}).json['outputs'], wanted[1:2], atol=1e-6
    )


def test_the_saved_model_gives_the_same_answers_and_signature(server, tmp_path):
    """What TensorFlow Serving would run, asked through TensorFlow itself."""
    export(brightest_side(tmp_path / 'graph.pb'), tmp_path / '1')
    metadata = server.get('/v1/models/side/metadata').json['metadata']['signature_def']['signature_def']
    with tf.Graph().as_default(), tf.Session() as session:
        signatures = tf.saved_model.load(session, ['serve'], str(tmp_path / '1')).signature_def
        (name,) = metadata
        inputs, outputs = signatures[name].inputs, signatures[name].outputs
        wanted = session.run(outputs['probs'].name, {inputs['image_raw'].name: [JPEG, PNG]})
    got = predict(server, {'instances': [b64(JPEG), b64(PNG)]}).json['predictions']
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    for mine, theirs in ((metadata[name]['inputs'], inputs), (metadata[name]['outputs'], outputs)):
        assert mine.keys() == theirs.keys()
        for key, tensor in mine.items():
            assert tensor['dtype'] == types_pb2.DataType.Name(theirs[key].dtype)
            assert tensor['name'] == theirs[key].name
            sizes = [str(dim.size) for dim in theirs[key].tensor_shape.dim]
            assert [dim['size'] for dim in tensor['tensor_shape']['dim']] == sizes
    assert signatures[name].method_name == metadata[name]['method_name']


def test_status_and_metadata_are_tensorflow_servings(server):
    wanted = [{'version': '1', 'state': 'AVAILABLE', 'status': {'error_code': 'OK', 'error_message': ''}}]
    for address in ('/v1/models/side', '/v1/models/side/versions/1'):
        assert server.get(address).json == {'model_version_status': wanted}
    metadata = server.get('/v1/models/side/metadata').json
    assert metadata['model_spec'] == {'name': 'side', 'signature_name': '', 'version': '1'}
    signature = metadata['metadata']['signature_def']['signature_def']['serving_default']
    assert signature['inputs']['image_raw']['dtype'] == 'DT_STRING'
    assert [d['size'] for d in signature['outputs']['probs']['tensor_shape']['dim']] == ['-1', '4']


def test_a_version_that_failed_is_in_the_status(server):
    server.path.write_bytes(b'rubbish')
    with pytest.raises(UserError, match=r'not a (TensorFlow GraphDef|\.tflite model)'):
        server.models.slot('side').refresh()
    failed, available = server.get('/v1/models/side').json['model_version_status']
    assert (failed['version'], failed['state'], available['state']) == ('2', 'END', 'AVAILABLE')
    assert server.post('/classify', data=JPEG).status_code == 200


@pytest.mark.parametrize(
    'address, code, words',
    [
        ('/v1/models/other', 404, "no model 'other'"),
        ('/v1/models/side/versions/7', 404, 'no version 7; its versions: 1'),
        ('/v1/models/side/versions/x', 404, 'Not Found'),
        ('/v1/models/..%2f..%2fetc', 404, 'Not Found'),
        ('/classify', 405, 'Method Not Allowed'),
        ('/page/../app.py', 404, 'Not Found'),
        ('/page/%2e%2e/app.py', 404, 'Not Found'),
        ('/docs', 404, 'Not Found: GET /docs (GET /openapi.json lists the routes)'),
    ],
)
def test_unknown_addresses(server, address, code, words):
    answer = server.get(address)
    assert answer.status_code == code and words in answer.json['error']


@pytest.mark.parametrize(
    'data, words',
    [
        (b'', 'empty'),
        (b'hello', 'not an image'),
        (JPEG[:200], 'truncated'),
        (bomb(), 'more than the limit'),
    ],
)
def test_bad_pictures_are_400_in_one_line(server, data, words):
    for answer in (
        server.post('/classify', data=data),
        predict(server, {'instances': [b64(JPEG), b64(data)]}),
    ):
        assert (
            answer.status_code == 400 and words in answer.json['error'] and '\n' not in answer.json['error']
        )


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'GIF', 'BMP', 'WEBP', 'TIFF'])
def test_what_curl_leaves_of_a_picture_is_named(server, kind):
    sent = encoded(np.full([7, 9, 3], 253, np.uint8), kind)
    form = 'application/x-www-form-urlencoded'  # what curl says of any body
    assert server.post('/classify', data=sent, content_type=form).status_code == 200
    left = sent.translate(None, b'\0\r\n')
    for path in ('/classify', '/explain'):
        answer = server.post(path, data=left, content_type=form)
        assert answer.status_code == 400 and 'by --data-binary' in answer.json['error']


def test_large_pictures_and_requests_are_refused(make_server):
    server = make_server(picture_bytes=len(JPEG) - 1, request_bytes=3 * len(JPEG))
    assert 'bytes: send it smaller' in server.post('/classify', data=JPEG).json['error']
    assert predict(server, {'instances': [b64(JPEG)]}).status_code == 400
    answer = server.post('/classify', data=JPEG * 4)
    assert answer.status_code == 413 and 'send smaller pictures, or fewer' in answer.json['error']


@pytest.mark.parametrize('picture, request_, shown', [(900, 700, 700), (700, 900, 700)])
def test_the_page_sends_no_picture_that_is_larger_than_a_request(make_server, picture, request_, shown):
    page = make_server(picture_bytes=picture, request_bytes=request_).get('/').text
    assert f'data-max-bytes="{shown}"' in page


def test_only_public_addresses_are_fetched_and_only_if_allowed(make_server):
    ask = {'url': 'http://127.0.0.1:1/dog.jpg'}
    refused = make_server().post('/classify', json=ask)
    assert refused.status_code == 400 and 'does not fetch addresses' in refused.json['error']
    server = make_server(urls=True)
    for url, words in (
        ('http://127.0.0.1:1/dog.jpg', 'public'),
        ('http://localhost:1/dog.jpg', 'public'),
        ('http://[::1]:1/dog.jpg', 'public'),
        ('http://169.254.169.254/latest', 'public'),
        ('http://10.0.0.1/', 'public'),
        ('file:///etc/passwd', 'not a web address'),
        ('ftp://example.org/', 'not a web address'),
    ):
        answer = server.post('/classify', json={'url': url})
        assert answer.status_code == 400 and words in answer.json['error'], url
    for body in ({}, {'url': 5}, [], 'x'):
        assert server.post('/classify', json=body).status_code == 400


def test_pictures_that_are_fetched_count_until_they_are_answered(make_server, monkeypatch):
    server, statuses = make_server(urls=True, picture_bytes=200_000_000), []
    classify, ask = server.service.classify, {'url': 'https://example.org/dog.jpg'}

    def also_ask() -> None:
        if len(statuses) < 2:
            statuses.append(None)
            statuses[-1] = server.post('/classify', json=ask).status_code

    def fetch(*args, **options) -> bytes:
        also_ask()
        return JPEG

    def classified(*args) -> dict:
        also_ask()
        return classify(*args)

    monkeypatch.setattr('src.downloads.picture.fetch_image', fetch)
    monkeypatch.setattr(server.service, 'classify', classified)
    assert server.post('/classify', json=ask).status_code == 200
    assert statuses == [503, 503]
    assert server.post('/classify', json=ask).status_code == 200


def test_at_the_admission_limit_the_answer_is_503_with_retry_after(make_server):
    server = make_server(limit=2)
    with server.admission.enter(2):
        answer = server.post('/classify', data=JPEG)
        assert answer.status_code == 503 and answer.headers['Retry-After'] == '1'
        assert 'busy' in answer.json['error']
    assert server.post('/classify', data=JPEG).status_code == 200
    never = predict(server, {'instances': [b64(JPEG)] * 3})
    assert never.status_code == 413
    assert '3 pictures at once are more than the limit of 2' in never.json['error']
    server.admission.close()  # what still arrives is answered
    assert server.get('/readyz').status_code == 503 and server.get('/healthz').status_code == 200
    assert server.post('/classify', data=JPEG).status_code == 200
    server.models.give_up()
    answer = server.post('/classify', data=JPEG)
    if server.path.suffix == '.pb':  # a .tflite file runs in the thread of the request here
        assert answer.status_code == 503 and 'stopping' in answer.json['error']


def test_bodies_are_refused_while_the_memory_limit_is_reached(make_server, monkeypatch):
    monkeypatch.setattr(middleware, 'BODIES_BYTES', 0)
    server = make_server(request_bytes=2 * len(JPEG) - 1)
    inside, go = threading.Event(), threading.Event()
    classify = Classifier.classify

    def slowly(self, served, pictures):
        inside.set()
        go.wait(10)
        return classify(self, served, pictures)

    monkeypatch.setattr(Classifier, 'classify', slowly)
    codes = []
    client = server.client.application.test_client()
    first = threading.Thread(target=lambda: codes.append(client.post('/classify', data=JPEG).status_code))
    first.start()
    inside.wait(10)
    assert server.post('/classify', data=JPEG).status_code == 503
    go.set()
    first.join(10)
    assert codes == [200] and server.post('/classify', data=JPEG).status_code == 200


def test_requests_of_many_threads_share_graph_runs(make_server):
    server = make_server(limit=64)
    wanted = load_model(server.path).from_pictures([JPEG, PNG])
    wanted = [row.tolist() for row in wanted]
    faults = []

    def ask(which: int) -> None:
        client = server.client.application.test_client()
        body = json.dumps({'instances': [b64((JPEG, PNG)[which])]})
        for _ in range(20):
            got = client.post('/v1/models/side:predict', data=body)
            if got.status_code != 200 or not np.allclose(
                got.json['predictions'][0], wanted[which], atol=1e-6
            ):
                faults.append(got.json)

    threads = [threading.Thread(target=ask, args=[i % 2]) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults
    metrics = server.get('/metrics').text
    assert 'rootstock_requests_total{route="/v1/models/<name>:predict",status="200"} 160.0' in metrics
    assert 'rootstock_batch_pictures_sum{model="side"} 160.0' in metrics
    runs = float(metrics.split('rootstock_batch_pictures_count{model="side"} ')[1].split()[0])
    assert runs < 160 if server.path.suffix == '.pb' else runs == 160  # in TensorFlow some went together
    assert 'rootstock_queue_pictures 0.0' in metrics


def test_every_answer_carries_the_security_headers(server):
    for answer in (
        server.get('/'),
        server.get('/nowhere'),
        server.post('/classify', data=JPEG),
        server.get('/healthz'),
    ):
        policy = answer.headers['Content-Security-Policy']
        assert "default-src 'none'" in policy and 'unsafe' not in policy and 'http' not in policy
        assert answer.headers['X-Content-Type-Options'] == 'nosniff'
        assert answer.headers['X-Frame-Options'] == 'DENY'
    assert server.post('/classify', data=JPEG).headers['Cache-Control'] == 'no-store'


def test_both_runtimes_give_the_same_answers(tmp_path, lite_side):
    graph = brightest_side(tmp_path / 'graph.pb')
    models = Models([graph, lite_side])
    pictures = [JPEG, PNG, with_orientation(JPEG, 6), encoded(photo(1200, 900), 'JPEG'), b'no picture']
    try:
        client = create_app(models, AdmissionLimit(16), Metrics(), Limits()).test_client()
        for picture in pictures:  # alone
            left, right = (client.post(f'/classify?model={n}', data=picture) for n in ('graph', 'side'))
            assert left.status_code == right.status_code
            assert_same(left.json, right.json)
        parts = [(io.BytesIO(picture), f'{i}.jpg') for i, picture in enumerate(pictures)]
        left, right = (
            client.post(
                f'/classify?model={n}', data={'image': [(io.BytesIO(p.getvalue()), n) for p, n in parts]}
            )
            for n in ('graph', 'side')
        )
        assert_same(left.json, right.json)
    finally:
        models.close()


def assert_same(left: dict, right: dict) -> None:
    """Raise AssertionError unless two answers of /classify have the same keys, errors and labels, and nearly
    the same probabilities."""
    assert left.keys() == right.keys() and left.get('error') == right.get('error')
    for one, other in zip(left.get('pictures', ()), right.get('pictures', ()), strict=True):
        assert one.keys() == other.keys() and one.get('error') == other.get('error')
        for a, b in zip(one.get('classes', ()), other.get('classes', ()), strict=True):
            assert a['label'] == b['label'] and a['probability'] == pytest.approx(b['probability'], abs=2e-6)


def test_the_classes_of_a_model(server):
    wanted = {'model': 'side', 'version': '1', 'classes': SIDES}
    assert server.get('/classes').json == server.get('/classes?model=side').json == wanted
    assert server.get('/classes?model=other').status_code == 404


@pytest.fixture
def page_of(tmp_path):
    """A function that gives the page of models with these labels; all are closed at the end."""
    made = []

    def page(**labels: list[str]) -> str:
        models = Models([brightest_side(tmp_path / f'{name}.pb', given) for name, given in labels.items()])
        made.append(models)
        return create_app(models, AdmissionLimit(16), Metrics(), Limits()).test_client().get('/').text

    yield page
    for models in made:
        models.close()


def test_the_page_says_which_models_can_explain(tmp_path, lite_side):
    alone = tmp_path / 'alone.tflite'
    alone.write_bytes(lite_side.read_bytes())
    graphs = [
        color_classifier(tmp_path / 'colors.pb'),
        brightest_side(tmp_path / 'no_map.pb'),
        color_classifier(tmp_path / 'rounded.pb', after=tf.floor),  # which has no gradient
    ]
    models = Models([*graphs, lite_side, alone])
    try:
        client = create_app(models, AdmissionLimit(16), Metrics(), Limits()).test_client()

        def explaining() -> list[str]:
            return re.findall(r'value="(\w+)"[^>]*data-explains', client.get('/').text)

        assert explaining() == ['colors', 'rounded', 'side']  # `side.pb` is not loaded yet
        for name in 'rounded', 'side':
            assert client.post(f'/explain?model={name}', data=JPEG).status_code == 400
        assert explaining() == ['colors']
    finally:
        models.close()


BREEDS = ['n02088094-Afghan_hound', 'pug', 'boxer', 'Golden Retriever']


def test_example_dogs_are_shown_for_models_of_dogs_only(page_of):
    assert 'examples/' not in page_of(side=SIDES)
    page = page_of(dogs=BREEDS)
    assert re.search(r'id="model"[^>]*data-dogs', page)
    assert 'examples/ember_hound.jpg' in page and not re.search(r'id="examples"[^>]*hidden', page)
    page = page_of(side=SIDES, dogs=BREEDS)  # there once the second is chosen
    assert re.search(r'id="examples"[^>]*hidden', page)
    assert re.findall(r'value="(\w+)"[^>]*data-dogs', page) == ['dogs']


@pytest.mark.parametrize(
    'labels, dogs',
    [
        (['cats', 'dogs'], True),
        (['hot_dog', 'not_hot_dog'], False),
        (['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse'], False),
        (['daisy', 'rose'], False),
    ],
)
def test_models_of_dogs_are_known_by_their_labels(labels, dogs):
    assert knows_dogs(labels) == dogs


def test_the_page_names_the_address_of_the_model(page_of):
    page = page_of(**{'hünde & 犬': SIDES})
    assert f'<span id="api-model">{quote("hünde & 犬")}</span>:predict' in page


def test_the_page_and_all_its_files_are_served(make_server, page_of):
    server = make_server()
    page = server.get('/')
    assert page.status_code == 200 and page.mimetype == 'text/html'
    named = set(re.findall(r'(?:src|href)="(page/[^"]+)"', page.text))
    named |= set(re.findall(r'(?:src|href)="(page/[^"]+)"', page_of(dogs=BREEDS)))
    scripts = {
        f'page/{name}.js' for name in ('page', 'ask', 'classes', 'why', 'token')
    }  # the first imports the others
    assert {'page/style.css', 'page/page.js'} <= named and any('examples' in name for name in named)
    for name in named | scripts:
        assert server.get('/' + name).status_code == 200, name
    assert not re.search(r'\sstyle="|\son\w+="|<script>|//(?!ADDRESS)', page.text.split('<body')[1])


@pytest.mark.posix
def test_without_processes_it_is_not_ready_and_says_so(lite_side, caplog, monkeypatch):
    monkeypatch.setattr('src.inference.workers.RETRY_SECONDS', 0.2)
    metrics = Metrics()
    models = Models([lite_side], metrics.ran, workers=1)
    client = create_app(models, AdmissionLimit(4, metrics.queued), metrics, Limits()).test_client()
    jpeg = encoded(bright_above(), 'JPEG')
    assert client.post('/classify', data=jpeg).status_code == client.get('/readyz').status_code == 200
    workers = models.slot('side').served._workers
    contents = dict(workers._contents)
    workers._contents[lite_side.name] = b'damaged'  # as on a machine without memory for a process
    os.kill(workers._all[0].process.pid, signal.SIGKILL)
    wait_for(lambda: workers._failed)
    for route in ('/classify', '/explain'):
        answer = client.post(route, data=jpeg)
        assert answer.status_code == 503 and 'no process of' in answer.json['error']
        assert 'Retry-After' in answer.headers
    ready = client.get('/readyz')
    assert (ready.status_code, ready.text) == (503, 'not ready: side\n')
    workers._contents.update(contents)
    wait_for(lambda: client.get('/readyz').status_code == 200)
    assert client.post('/classify', data=jpeg).status_code == 200
    (worker,) = workers._all
    os.kill(worker.process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, '/classify', data=jpeg)
        wait_for(lambda: worker.begun)
        time.sleep(0.1)  # until the picture is sent
        os.kill(worker.process.pid, signal.SIGKILL)
        answer = asked.result(30)
    assert answer.status_code == 500 and answer.json['error'].endswith('side.tflite ended')
    assert client.post('/classify', data=jpeg).status_code == 200
    models.close()
    assert not caplog.records  # no traceback


def wait_for(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_one_client_cannot_take_all_places(make_server, monkeypatch):
    """X-Forwarded-For, which anybody can write, changes nothing."""
    server = make_server(limit=4, per_client=2)
    inside, go = threading.Semaphore(0), threading.Event()
    row = Classifier._row
    answer = Served.answer

    def slowly(function):
        def run(*args):
            inside.release()
            go.wait(30)
            return function(*args)

        return run

    monkeypatch.setattr(Classifier, '_row', slowly(row))
    monkeypatch.setattr(Served, 'answer', slowly(answer))

    def post(address: str, **headers) -> tuple[int, str]:
        client = server.client.application.test_client()
        got = client.post('/classify', data=JPEG, environ_base={'REMOTE_ADDR': address}, headers=headers)
        return got.status_code, got.json.get('error', '')

    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(post, '192.0.2.1') for _ in range(2)]
        for _ in first:
            assert inside.acquire(timeout=30)
        for headers in ({}, {'X-Forwarded-For': '192.0.2.9'}):
            code, error = post('192.0.2.1', **headers)
            assert code == 503 and 'other requests of yours' in error
        others = [pool.submit(post, '192.0.2.2'), pool.submit(post, '2001:db8::1')]
        for _ in others:
            assert inside.acquire(timeout=30)
        go.set()
        assert {answer.result(30)[0] for answer in first + others} == {200}


def test_a_form_needs_no_temporary_files(server, monkeypatch):
    def full(*args, **options):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('tempfile.TemporaryFile', full)
    monkeypatch.setattr('tempfile.SpooledTemporaryFile', full)
    large = encoded(photo(900, 900), 'BMP')
    assert server.post('/classify', data={'image': (io.BytesIO(large), 'a.bmp')}).status_code == 200


def test_the_default_limit_of_a_request_is_what_the_models_can_use(server):
    small = useful_bytes(90, server.models)  # 32 pictures of 8 x 8 pixels in base64 are more
    assert small == 32 * 8 * 8 * 3 * 4 // 3 + FRAME_BYTES
    body = json.dumps({'instances': [b64(os.urandom(8 * 8 * 3)) for _ in range(32)]})
    assert len(body) < small
    picture = 3_000_000
    assert len(json.dumps({'instances': [b64(bytes(picture))]})) < useful_bytes(picture, server.models)
