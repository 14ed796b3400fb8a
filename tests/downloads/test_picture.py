"""One picture from a slow, faulty or malicious server on this machine."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
import requests

from src.common.errors import UserError
from src.downloads import picture
from src.downloads.http import shown_url, why
from src.downloads.picture import fetch_image
from tests.downloads.loopback import resets, serves

PHOTO = b'\xff\xd8photo' * 5000


def test_a_photo(web):
    web.answers = [serves(PHOTO)]
    assert fetch_image(web.url + '/a.jpg') == PHOTO
    assert web.asked[0]['User-Agent'].startswith('rootstock/') and web.asked[0]['Host'] == web.url[7:]


def test_a_photo_without_length(web):
    web.answers = [serves(PHOTO, Content_Length=None)]
    assert fetch_image(web.url, max_bytes=len(PHOTO)) == PHOTO


def test_redirects_are_followed(web):
    web.answers = [serves(code=302, Location='/two'), serves(code=307, Location='three?x=1'), serves(PHOTO)]
    assert fetch_image(web.url + '/one') == PHOTO
    assert [asked['path'] for asked in web.asked] == ['/one', '/two', '/three?x=1']


@pytest.mark.parametrize('target', ['file:///etc/passwd', 'ftp://127.0.0.1/', 'gopher://x', 'http://[::1'])
def test_redirects_to_other_schemes_are_refused(web, target):
    web.answers = [serves(code=302, Location=target)]
    with pytest.raises(UserError):
        fetch_image(web.url)
    assert len(web.asked) == 1


def test_redirects_in_circles_end(web):
    web.answers = [serves(code=301, Location='/again')]
    with pytest.raises(UserError, match='more than 5 redirects'):
        fetch_image(web.url)
    assert len(web.asked) == 6


@pytest.mark.parametrize(
    'url', ['file:///etc/passwd', 'ftp://h/a', 'a.jpg', '', 'http://', 'http://h:99999/', 'http://[x']
)
def test_only_web_addresses(url):
    with pytest.raises(UserError, match='must start with http'):
        fetch_image(url)


@pytest.mark.parametrize('code', [204, 206, 304, 401, 404, 429, 500])
def test_anything_but_200(web, code):
    web.answers = [serves(PHOTO if code != 304 else b'', code=code)]
    with pytest.raises(UserError, match=rf'answers {code} .*check the address'):
        fetch_image(web.url)


def test_an_empty_body(web):
    web.answers = [serves(b'')]
    with pytest.raises(UserError, match='is empty'):
        fetch_image(web.url)


def test_too_large_by_its_content_length(web):
    web.answers = [serves(PHOTO)]
    with pytest.raises(UserError, match=r'larger than 1\.0 kB'):
        fetch_image(web.url, max_bytes=1000)


@pytest.mark.parametrize('headers', [{}, {'Transfer_Encoding': 'chunked'}])
def test_too_large_unannounced(web, headers):
    going = threading.Event()

    def endless(handler):
        serves(Content_Length=None, **headers)(handler)
        while not going.is_set():
            handler.wfile.write(b'10000\r\n' + bytes(65536) + b'\r\n')

    web.answers = [endless]
    with pytest.raises(UserError, match='larger than'):
        fetch_image(web.url, max_bytes=200_000)
    going.set()


def test_a_short_body(web):
    web.answers = [serves(PHOTO, cut=1000)]
    with pytest.raises(UserError, match='the connection dropped'):
        fetch_image(web.url)


def test_a_compressed_body_is_not_decompressed(web):
    web.answers = [serves(PHOTO, Content_Encoding='gzip')]
    with pytest.raises(UserError, match='sent compressed'):
        fetch_image(web.url)


def test_a_reset(web):
    web.answers = [resets]
    with pytest.raises(UserError, match=r'cannot fetch .*\(the connection dropped\)'):
        fetch_image(web.url)


def drip(handler, text):
    for letter in text:
        handler.wfile.write(bytes([letter]))
        time.sleep(0.05)


def drip_body(handler):
    serves(Content_Length=None)(handler)
    drip(handler, bytes(100))


def drip_announced_body(handler):
    serves(Content_Length=100)(handler)
    drip(handler, bytes(100))


def drip_headers(handler):
    drip(handler, b'HTTP/1.0 200 OK\r\nX-Long: ' + b'x' * 200)


@pytest.mark.parametrize('dripping', [drip_body, drip_announced_body, drip_headers])
def test_a_slow_server_reaches_the_time_limit(web, dripping):
    web.answers = [dripping]
    began = time.monotonic()
    with pytest.raises(UserError, match=r'took longer than 0\.4 s'):
        fetch_image(web.url, seconds=0.4)
    assert time.monotonic() - began < 0.8


def test_a_silent_server_reaches_the_time_limit(web, monkeypatch):
    monkeypatch.setattr(picture, 'READ_SECONDS', 0.2)
    silent = threading.Event()
    web.answers = [lambda handler: silent.wait(5)]
    with pytest.raises(UserError, match='no answer in time'):
        fetch_image(web.url)
    silent.set()


def test_a_slow_look_up_reaches_the_time_limit(monkeypatch):
    silent = threading.Event()
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *_, **__: silent.wait(5) and [])
    began = time.monotonic()
    with pytest.raises(UserError, match='took longer'):
        fetch_image('http://slow.example/', seconds=0.2)
    assert time.monotonic() - began < 0.6
    silent.set()


def test_no_such_host(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, 'Name or service not known')

    monkeypatch.setattr(socket, 'getaddrinfo', unknown)
    with pytest.raises(UserError, match='no such host'):
        fetch_image('http://nowhere.example/')


def test_no_server(web):
    web.close()
    with pytest.raises(UserError, match='connection refused'):
        fetch_image(web.url)


def test_the_watch_leaves_no_threads(web):
    web.answers = [serves(PHOTO)]
    fetch_image(web.url)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_errors_show_no_credentials(web):
    web.answers = [serves(code=404)]
    with pytest.raises(UserError) as caught:
        fetch_image(web.url.replace('//', '//me:secret@') + '/a.jpg?token=secret#secret')
    assert 'secret' not in str(caught.value) and f'{web.url}/a.jpg' in str(caught.value)
    assert 'Authorization' in web.asked[0]
    web.close()
    with pytest.raises(UserError) as caught:
        fetch_image(web.url.replace('//', '//me:secret@') + '/?token=secret')
    assert 'secret' not in str(caught.value)
    with pytest.raises(UserError) as caught:
        fetch_image('http://me:sec/ret@host/')
    assert 'sec' not in str(caught.value)


def test_shown_url():
    assert shown_url('https://u:p@h:1/a/b@c?q#f') == 'https://h:1/a/b@c'
    assert shown_url('https://u:p@h?q=//x') == 'https://h'
    assert len(shown_url('data:' + 'x' * 999)) == 120


@pytest.mark.parametrize(
    'host', ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]', '0']
)
def test_public_only_refuses_this_machine(web, host):
    web.answers = [serves(PHOTO)]
    port = web.url.rpartition(':')[2]
    with pytest.raises(UserError, match='not on the public internet'):
        fetch_image(f'http://{host}:{port}/', public_only=True)
    assert not web.asked


@pytest.fixture
def world(web, monkeypatch):
    """Look-ups as `world` says, in turn; 'public' addresses lead to the loopback server after all."""
    answers = []
    dial = socket.create_connection
    port = int(web.url.rpartition(':')[2])
    dialled = []

    def look_up(host, *_, **__):
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, '', (address, port)) for address in found]

    def connect(address, *args, **kwargs):
        dialled.append(address[0])
        if address[0] == '9.9.9.9':
            raise ConnectionRefusedError
        return dial(('127.0.0.1', address[1]), *args, **kwargs)

    real_look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        'getaddrinfo',
        lambda host, *a, **k: (look_up if 'example' in host else real_look_up)(host, *a, **k),
    )
    monkeypatch.setattr(socket, 'create_connection', connect)
    return answers, dialled, port


def test_public_only_connects_to_the_address_it_checked(web, world):
    answers, dialled, port = world
    answers += [['8.8.8.8'], ['127.0.0.1']]  # a second look-up would rebind
    web.answers = [serves(PHOTO)]
    assert fetch_image(f'http://photos.example:{port}/', public_only=True) == PHOTO
    assert dialled == ['8.8.8.8'] and web.asked[0]['Host'] == f'photos.example:{port}'


def test_public_only_checks_every_hop(web, world):
    answers, dialled, port = world
    answers += [['8.8.8.8'], ['10.0.0.7']]
    web.answers = [serves(code=302, Location=f'http://inside.example:{port}/'), serves(PHOTO)]
    with pytest.raises(UserError, match=r'inside\.example is not on the public internet'):
        fetch_image(f'http://photos.example:{port}/', public_only=True)
    assert dialled == ['8.8.8.8'] and len(web.asked) == 1


def test_public_only_refuses_a_host_with_one_private_address(web, world):
    answers, dialled, port = world
    answers += [['8.8.8.8', '192.168.0.1']]
    with pytest.raises(UserError, match='not on the public internet'):
        fetch_image(f'http://photos.example:{port}/', public_only=True)
    assert not dialled


def test_the_next_address_is_tried(web, world):
    answers, dialled, port = world
    answers += [['9.9.9.9', '8.8.8.8']]
    web.answers = [serves(PHOTO)]
    assert fetch_image(f'http://photos.example:{port}/', public_only=True) == PHOTO
    assert dialled == ['9.9.9.9', '8.8.8.8']


def test_proxies_are_used_unless_public_only(web, world, monkeypatch):
    answers, dialled, port = world
    answers += [['8.8.8.8']]
    monkeypatch.setenv('http_proxy', web.url)
    web.answers = [serves(PHOTO)]
    assert fetch_image('http://photos.example/a') == PHOTO
    assert web.asked[0]['path'] == 'http://photos.example/a'
    fetch_image(f'http://photos.example:{port}/a', public_only=True)
    assert web.asked[1]['path'] == '/a' and dialled == ['127.0.0.1', '8.8.8.8']


@pytest.mark.skipif(not shutil.which('openssl'), reason='makes its certificate with openssl')
def test_tls_verifies_the_name_of_the_host(web, world, tmp_path, monkeypatch):
    answers, dialled, port = world
    answers += [['8.8.8.8']]
    key, certificate = tmp_path / 'key', tmp_path / 'certificate'
    command = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test'
    names = ['-addext', 'subjectAltName=DNS:photos.example', '-keyout', str(key), '-out', str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked_for = []
    context.sni_callback = lambda sock, name, context: asked_for.append(name)
    web.server.socket = context.wrap_socket(web.server.socket, server_side=True)

    web.answers = [serves(PHOTO)]
    with pytest.raises(UserError, match='its certificate is not valid'):
        fetch_image(f'https://photos.example:{port}/')
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(certificate))
    assert fetch_image(f'https://photos.example:{port}/') == PHOTO
    with pytest.raises(UserError, match='its certificate is not valid'):
        fetch_image(f'https://other.example:{port}/')
    assert asked_for[1] == 'photos.example' and set(dialled) == {'8.8.8.8'}

    web.answers = [drip_body]
    began = time.monotonic()
    with pytest.raises(UserError, match='took longer'):
        fetch_image(f'https://photos.example:{port}/', seconds=0.4)
    assert time.monotonic() - began < 0.8


def test_why():
    assert why(requests.ReadTimeout('x')) == 'no answer in time'
    assert why(requests.exceptions.SSLError('x')) == 'no secure connection'
    assert why(requests.exceptions.InvalidURL('x')) == 'not a valid web address'
    expired = requests.exceptions.SSLError('x')
    expired.__cause__ = ssl.SSLCertVerificationError('x')
    assert why(expired) == 'its certificate is not valid'
