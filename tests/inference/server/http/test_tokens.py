"""Bearer tokens: which requests need one, and which files of tokens are refused."""

from __future__ import annotations

import threading
import time

import pytest

from src.common.errors import UserError
from src.inference.server.http.tokens import Tokens
from tests.inference.models import bright_above
from tests.pictures import encoded

JPEG = encoded(bright_above(), 'JPEG')
ONE, TWO = 'first-token_0123456789', 'c2Vjb25kIHRva2VuIQ=='


@pytest.fixture
def guarded(make_server, tmp_path):
    (tmp_path / 'tokens').write_text(f'\n{ONE}\n\n  {TWO}\r\n')
    return make_server(tokens=Tokens(tmp_path / 'tokens'))


def headers(token: str, scheme: str = 'Bearer') -> dict:
    return {'Authorization': f'{scheme} {token}'}


@pytest.mark.parametrize('sent', [headers(ONE), headers(TWO), headers(ONE, 'bearer'), headers(f' {TWO} ')])
def test_requests_with_one_of_the_tokens_are_answered(guarded, sent):
    assert guarded.client.post('/classify', data=JPEG, headers=sent).status_code == 200
    assert guarded.client.get('/metrics', headers=sent).status_code == 200


@pytest.mark.parametrize(
    'sent, fault',
    [
        ({}, False),
        (headers(ONE, 'Basic'), False),
        (headers(f'{ONE} {TWO}'), False),
        (headers(''), False),
        (headers('é' * 20), False),
        (headers(ONE[:-1]), True),
        (headers(ONE + 'x'), True),
        (headers(ONE.upper()), True),
    ],
)
def test_other_requests_are_401(guarded, sent, fault):
    for address in ('/classify', '/explain', '/v1/models/side:predict'):
        answer = guarded.client.post(address, data=JPEG, headers=sent)
        assert answer.status_code == 401 and 'token' in answer.json['error']
        challenge = 'Bearer realm="rootstock"' + (', error="invalid_token"' if fault else '')
        assert answer.headers['WWW-Authenticate'] == challenge
    for address in ('/classes', '/metrics', '/v1/models/side', '/nowhere', '//', '/healthz/', '/pages'):
        assert guarded.client.get(address, headers=sent).status_code == 401


def test_what_load_balancers_ask_and_the_page_need_no_token(guarded):
    for address in ('/', '/healthz', '/readyz', '/page/page.js', '/page/token.js'):
        assert guarded.get(address).status_code == 200
    assert 'id="token"' in guarded.get('/').text
    assert guarded.get('/page/../metrics').status_code == 404


def test_without_tokens_the_page_has_no_dialog(server):
    assert 'id="token"' not in server.get('/').text


@pytest.mark.parametrize(
    'text, words',
    [
        ('', 'there is no token in'),
        (' \n\n', 'there is no token in'),
        (f'{ONE}\nshort', r'tokens, line 2: a token has at least 16 letters'),
        (f'{ONE} # mine', 'line 1: a token has'),
        ('ä' * 20, 'line 1: a token has'),
    ],
)
def test_files_without_proper_tokens_are_refused(tmp_path, text, words):
    (tmp_path / 'tokens').write_text(text, encoding='utf-8')
    with pytest.raises(UserError, match=words) as refused:
        Tokens(tmp_path / 'tokens')
    assert 'short' not in str(refused.value)  # a token is not shown


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(UserError, match=r'there is no file .*missing with tokens; make one: python'):
        Tokens(tmp_path / 'missing')
    (tmp_path / 'tokens').write_bytes('abc'.encode('utf-16'))
    with pytest.raises(UserError, match='tokens is no UTF-8 text, as it holds NUL bytes'):
        Tokens(tmp_path / 'tokens')
    (tmp_path / 'tokens').write_bytes(b'\xff\xfe')
    with pytest.raises(UserError, match=r'cannot read the tokens in .*: no text'):
        Tokens(tmp_path / 'tokens')


def replace(path, text: str) -> None:
    path.with_name('new.tmp').write_text(text)
    path.with_name('new.tmp').replace(path)


def test_a_file_that_changes_is_read_again_and_a_damaged_one_is_not_taken(make_server, tmp_path, capsys):
    path, stop = tmp_path / 'tokens', threading.Event()
    path.write_text(ONE)
    tokens = Tokens(path)
    client = make_server(tokens=tokens).client

    def status(token: str) -> int:
        return client.get('/metrics', headers=headers(token)).status_code

    def wait_for_lines(number: int) -> list[str]:
        end = time.monotonic() + 30
        while len(lines := ''.join(printed).splitlines()) < number:
            assert time.monotonic() < end
            time.sleep(0.01)
            printed.append(capsys.readouterr().out)
        return lines

    printed = []
    watch = threading.Thread(target=tokens.watch, args=[0.01, stop], daemon=True)
    watch.start()
    assert (status(ONE), status(TWO)) == (200, 401)
    replace(path, f'{TWO}\n')
    assert wait_for_lines(1)[0].endswith('tokens: read again, 1 token')
    assert (status(ONE), status(TWO)) == (401, 200)
    replace(path, f'{ONE}\nshort')
    assert 'line 2: a token has at least 16' in wait_for_lines(2)[1]
    path.unlink()
    assert 'there is no file' in wait_for_lines(3)[2]
    assert (status(ONE), status(TWO)) == (401, 200)
    replace(path, f'{ONE}\n{TWO}\n')
    assert wait_for_lines(4)[3].endswith('read again, 2 tokens')
    assert (status(ONE), status(TWO)) == (200, 200)
    stop.set()
    watch.join(10)
    assert all('; the tokens from before are still' in line for line in ''.join(printed).splitlines()[1:3])
