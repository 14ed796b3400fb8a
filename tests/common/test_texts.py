"""Text files of users that are too large, binary, or no texts: one line each."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from src.common import consts, files, paths
from src.common.errors import UserError
from src.curation.findings import COLUMNS, read_findings
from src.data_preparation.kaggle_images_to_tfrecords import read_labels, required_ids
from src.data_preparation.splits import read_list
from src.engine.distilling.photos import left_out
from src.freezing.keras.labels import class_names
from src.graph.model_info import labels_in
from src.inference.server.http.tokens import Tokens
from src.inference.submissions.table import read_rows
from src.records import decisions
from src.records.decisions import read_decisions

LIMIT = 1_000
READERS = {
    'labels': labels_in,
    'list': read_list,
    'decisions': lambda path: read_decisions(path, 'dogs'),
    'findings': read_findings,
    'json': files.read_json,
    'labels.csv': read_labels,
    'sample_submission.csv': required_ids,
    'submission': read_rows,
    'left out': left_out,
    'tokens': Tokens,
    'class index': lambda path: class_names(path.rename(path.with_suffix('.json'))),
}
CONTENTS = {
    'binary': bytes(range(256)) * 3,
    'one line': b'x' * (LIMIT - 1),
    'NUL': b'a\0b\n' * 20,
    'UTF-16': 'data_set,id\n'.encode('utf-16') * 9,
    'deep': b'[' * (LIMIT - 1),
    'quotes': b'data_set,id,decision,label\n"' + b'x\n' * 400,
    'empty': b'',
}


@pytest.mark.parametrize('reader', READERS)
@pytest.mark.parametrize('content', CONTENTS)
def test_odd_contents_are_read_or_refused(reader, content, tmp_path, monkeypatch):
    monkeypatch.setattr(consts, 'TEXT_BYTES', LIMIT)
    path = tmp_path / 'given.txt'
    path.write_bytes(CONTENTS[content])
    try:
        READERS[reader](path)
    except UserError as error:
        assert 'given' in str(error)


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-16-le'])
@pytest.mark.parametrize('reader', [reader for reader in READERS if reader not in ('json', 'class index')])
def test_utf_16_is_named(reader, encoding, tmp_path):
    path = tmp_path / 'given.txt'
    path.write_bytes('id,label\na,b\n'.encode(encoding))
    with pytest.raises(
        UserError, match=r'given\.txt is no UTF-8 text, as it holds NUL bytes: if it is UTF-16'
    ):
        READERS[reader](path)


@pytest.mark.parametrize('reader', READERS)
def test_large_files_are_refused(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(consts, 'TEXT_BYTES', LIMIT)
    path = tmp_path / 'given.txt'
    path.write_bytes(b'x' * (LIMIT + 1))
    with pytest.raises(
        UserError, match=r'given\.\w+ has 1,001 bytes, above the limit of 1,000 of text files'
    ):
        READERS[reader](path)


@pytest.mark.skipif(not os.path.exists('/dev/zero'), reason='no such device')  # noqa: PTH110
def test_a_device_that_never_ends(monkeypatch):
    monkeypatch.setattr(consts, 'TEXT_BYTES', LIMIT)
    with pytest.raises(UserError, match='/dev/zero has more than'):
        read_list('/dev/zero')


@pytest.mark.parametrize(('read', 'columns'), [(read_findings, COLUMNS), (read_decisions, decisions.COLUMNS)])
def test_a_cell_of_megabytes(read, columns, tmp_path):
    path = tmp_path / 'given.csv'
    path.write_text(','.join(columns) + '\n"' + 'x' * 2_000_000)
    with pytest.raises(UserError, match=r'given\.csv is not a list of (findings|decisions): '):
        read(path)


def test_texts_are_read_as_editors_write_them(tmp_path):
    path = tmp_path / 'given.txt'
    path.write_bytes(b'\xef\xbb\xbfa\r\nb\xff\n')
    assert files.utf8_text(path) == 'a\nb\udcff\n'
    with pytest.raises(UnicodeError):
        files.utf8_text(path, 'strict')
    path.write_bytes(b'\xef\xbb\xbf' + json.dumps({'a': 1}).encode())
    assert files.read_json(path) == {'a': 1}


def test_an_error_is_one_short_line_without_control_characters():
    code = (
        'from src.common import errors\n'
        'def main(): raise errors.UserError("begin \\x1b[2J\\x07\\n\\u202e" + "x" * 10**6 + " end")\n'
        'errors.run(main)\n'
    )
    ended = subprocess.run([sys.executable, '-c', code], cwd=paths.CHECKOUT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith('error: begin \\x1b[2J\\x07 \\u202exxx')
    assert ended.stderr.endswith('xxx end\n')
    assert len(ended.stderr) < 2_100 and ended.stderr.isascii() and ended.stderr.count('\n') == 1
