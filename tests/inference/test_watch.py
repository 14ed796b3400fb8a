"""Pictures that arrive in a watched folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from src.common import paths
from src.common.errors import UserError
from src.images.faults import BadImage
from src.inference import classify
from src.inference.watch import PATIENCE, Arrivals
from tests.inference.models import bright_above, brightest_side
from tests.lite import tflite_of
from tests.pictures import encoded

JPEG = encoded(bright_above(300, 200), 'JPEG')


def test_files_are_ready_when_they_no_longer_change(tmp_path):
    (tmp_path / 'old.jpg').write_bytes(JPEG)
    arrivals = Arrivals(tmp_path)
    assert arrivals.already == 1 and arrivals.look(0.0) == []
    new = tmp_path / 'deep' / 'new.jpg'
    new.parent.mkdir()
    new.write_bytes(JPEG[:1000])
    (tmp_path / '.hidden.jpg').write_bytes(JPEG)
    assert arrivals.look(1.0) == []
    new.write_bytes(JPEG[:2000])
    assert arrivals.look(2.0) == []
    assert arrivals.look(3.0) == [str(new)]
    arrivals.finished(str(new))
    assert arrivals.look(4.0) == []


def test_a_changed_file_is_new_again_and_a_removed_one_is_forgotten(tmp_path):
    path = tmp_path / 'latest.jpg'
    path.write_bytes(JPEG)
    arrivals = Arrivals(tmp_path)
    os.utime(path, ns=(1, 1))
    assert arrivals.look(1.0) == [] and arrivals.look(2.0) == [str(path)]
    arrivals.finished(str(path))
    path.unlink()
    assert arrivals.look(3.0) == []
    path.write_bytes(JPEG)
    os.utime(path, ns=(1, 1))
    assert arrivals.look(4.0) == [] and arrivals.look(5.0) == [str(path)]


def test_an_unreadable_file_is_reported_late_and_read_again_when_it_changes(tmp_path):
    arrivals = Arrivals(tmp_path)
    path, fault = tmp_path / 'slow.jpg', BadImage('truncated')
    path.write_bytes(JPEG[:1000])
    arrivals.look(0.0)
    assert arrivals.look(1.0) == [str(path)]
    arrivals.failed(str(path), fault)
    assert arrivals.look(2.0) == [] and arrivals.given_up(2.0) == []
    path.write_bytes(JPEG)
    assert arrivals.look(3.0) == [] and arrivals.look(4.0) == [str(path)]
    arrivals.failed(str(path), fault)
    assert arrivals.given_up(3.0 + PATIENCE) == []
    assert arrivals.given_up(3.1 + PATIENCE) == [(str(path), fault)]
    assert arrivals.given_up(99.0) == [] and arrivals.look(99.0) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r'cannot watch .*none: No such file'):
        classify.main(['--watch', str(tmp_path / 'none')])


@pytest.mark.parametrize('words', [['a.jpg', '--watch', '.'], []])
def test_pictures_or_a_folder_to_watch(words, capsys):
    with pytest.raises(SystemExit):
        classify.main(words)
    assert 'PICTURE or --watch FOLDER is required' in capsys.readouterr().err


@pytest.mark.posix
def test_a_camera(tmp_path):
    """One picture arrives whole, one in halves, and a text; then Ctrl-C."""
    pytest.importorskip('ai_edge_litert')
    model = tflite_of(brightest_side(tmp_path / 'side.pb'), tmp_path / 'side.tflite')
    folder = tmp_path / 'camera'
    folder.mkdir()
    (folder / 'before.jpg').write_bytes(JPEG)
    words = ['--watch', folder, '--json', '--top', '1', '--model', model]
    run = subprocess.Popen(
        [sys.executable, '-m', 'src.inference.classify', *map(str, words)],
        cwd=paths.CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert 'for new pictures (1 file is there already); Ctrl-C ends' in run.stderr.readline()
        (folder / 'notes.txt').write_text('no picture')
        (folder / 'a.jpg').write_bytes(JPEG)
        with (folder / 'b.jpg').open('wb') as stream:
            stream.write(JPEG[:1500])
            stream.flush()
            assert _line(run) == {'path': str(folder / 'a.jpg'), 'label': 'top'}
            stream.write(JPEG[1500:])
        assert _line(run) == {'path': str(folder / 'b.jpg'), 'label': 'top'}
        time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        output, log = run.communicate(timeout=30)
        assert (output, log, run.returncode) == ('', 'stopped\n', 130)
    finally:
        run.kill()


def _line(run: subprocess.Popen) -> dict[str, str]:
    entry = json.loads(run.stdout.readline())
    return {'path': entry['path'], 'label': entry['classes'][0]['label']}
