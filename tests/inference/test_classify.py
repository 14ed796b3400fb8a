"""`classify`: sources of pictures, output, and skipped pictures."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.common import consts, paths
from src.common.errors import UserError
from src.images.files import LINKED_BEFORE
from src.inference import classify
from src.inference.choice import lightest
from src.inference.predictor import load_model
from tests.downloads.loopback import serves
from tests.graph.graphs import SIDE, bottleneck_of, probabilities_of
from tests.inference.models import NAMES, bright_above, brightest_side, somebody_elses
from tests.inference.server.test_models import endless_graph
from tests.pictures import bomb, encoded, exif, photo, raw_png, stored_for, with_orientation

UPRIGHT = bright_above()
PNG = encoded(UPRIGHT, 'PNG')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return brightest_side(tmp_path_factory.mktemp('models') / 'side.pb')


@pytest.fixture
def photos(tmp_path):
    """Nested folders with pictures of four formats, and a text file."""
    folder = tmp_path / 'my photos'
    (folder / 'deep').mkdir(parents=True)
    (folder / 'a.jpg').write_bytes(encoded(UPRIGHT, 'JPEG'))
    (folder / 'b.PNG').write_bytes(PNG)
    (folder / 'deep' / 'c.webp').write_bytes(encoded(UPRIGHT, 'WEBP'))
    (folder / 'deep' / 'd[1].gif').write_bytes(encoded(UPRIGHT, 'GIF'))
    (folder / 'notes.txt').write_text('not a picture')
    return folder


def run(model, *arguments, source='file'):
    return classify.main([source, *map(str, arguments), '--model', str(model)])


def as_json(capsys) -> dict[str, list]:
    return {entry['path']: entry['classes'] for entry in json.loads(capsys.readouterr().out)}


def test_the_output_for_people(model, photos, capsys):
    assert run(model, photos / 'a.jpg') == 0
    head, name, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith('side.pb: 4 classes')
    assert name == str(photos / 'a.jpg')
    assert [line.split()[0] for line in lines] == ['top', 'left', 'right', 'bottom']
    shares = [float(line.split()[1].rstrip('%')) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.1)


def test_folders_globs_and_files_in_order_each_once(model, photos, capsys):
    assert run(model, photos / 'deep', photos, f'{photos}/*.PNG', f'{photos}/**/*.gif', '--json') == 0
    wanted = ['deep/c.webp', 'deep/d[1].gif', 'a.jpg', 'b.PNG']
    assert list(as_json(capsys)) == [str(photos / name) for name in wanted]


def test_the_content_decides_what_is_a_picture(model, tmp_path, capsys):
    for name in ('a.jfif', 'b', 'c.txt', 'deep/d.jpeg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(UPRIGHT, 'JPEG'))
    for name in ('._a.jpg', '.hidden/h.jpg', '__MACOSX/._x.jpg', '__MACOSX/x.jpg', 'Thumbs.db'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(UPRIGHT, 'JPEG'))
    (tmp_path / 'notes.md').write_text('no picture')
    (tmp_path / 'deep' / 'back').symlink_to(tmp_path)
    wanted = [str(tmp_path / name) for name in ('a.jfif', 'b', 'c.txt', 'deep/d.jpeg')]
    for name in (tmp_path, f'{tmp_path}/*', f'{tmp_path}/**', f'{tmp_path}/**/*'):
        assert run(model, name, '--json') == 0
        printed = capsys.readouterr()
        assert sorted(entry['path'] for entry in json.loads(printed.out)) == wanted
        assert f'{tmp_path}/notes.md: not an image' in printed.err
        assert f'left out {tmp_path}/deep/back: {LINKED_BEFORE}' in printed.err


def test_an_unsupported_format_is_reported(model, photos, capsys):
    (photos / 'e.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(40))
    (photos / 'f').write_bytes(b'\0\0\0\x18ftypmif1' + bytes(40))
    (photos / 'g.mov').write_bytes(b'\0\0\0\x18ftypqt  ' + bytes(40))
    assert run(model, photos, '--json', '--top', '1') == 2
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == 4
    assert printed.err.splitlines() == [
        f'left out {photos}/g.mov: not an image',
        f'left out {photos}/notes.txt: not an image',
        f'skipped {photos}/e.heic: HEIC, which is not read: save it as JPEG',
        f'skipped {photos}/f: HEIC or AVIF, which is not read: save it as JPEG',
        '4 of 6 pictures classified',
    ]


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='the system has no named pipes')
def test_pipes_and_devices_are_not_read(model, tmp_path, capsys):
    os.mkfifo(tmp_path / 'pipe')
    os.mkfifo(tmp_path / 'pipe.jpg')
    (tmp_path / 'zero.jpg').symlink_to('/dev/zero')
    assert run(model, tmp_path, '/dev/zero') == 2
    assert capsys.readouterr().err.splitlines() == [
        f'left out {tmp_path}/pipe: a named pipe, not a file',
        f'skipped {tmp_path}/pipe.jpg: a named pipe, not a file',
        f'skipped {tmp_path}/zero.jpg: a device, not a file',
        'skipped /dev/zero: a device, not a file',
        '0 of 3 pictures classified',
    ]


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(model, photos, capsys):
    assert run(model, photos / 'deep' / 'd[1].gif', '--csv', '--top', '1') == 0
    assert capsys.readouterr().out.splitlines()[1].startswith(f'{photos / "deep" / "d[1].gif"},top,0.')


@pytest.mark.parametrize('top', [1, 3, 4, 99])
def test_top(model, photos, capsys, top):
    assert run(model, photos / 'b.PNG', '--top', top, '--json') == 0
    (classes,) = as_json(capsys).values()
    assert len(classes) == min(top, 4)
    assert classes[0]['label'] == 'top'


def test_csv_has_path_label_probability(model, photos, capsys):
    assert run(model, photos / 'a.jpg', photos / 'b.PNG', '--csv') == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0]) == ['path', 'label', 'probability']
    assert [row['path'] for row in rows] == [str(photos / 'a.jpg')] * 4 + [str(photos / 'b.PNG')] * 4
    assert sum(float(row['probability']) for row in rows) == pytest.approx(2, abs=1e-4)


def test_json_numbers_are_those_of_the_model(model, photos, capsys):
    run(model, photos / 'b.PNG', '--json')
    (classes,) = as_json(capsys).values()
    (wanted,) = load_model(model).from_pictures([PNG])
    assert [entry['probability'] for entry in classes] == pytest.approx(
        sorted(wanted, reverse=True), abs=1e-6
    )


def test_a_bad_picture_among_many_is_reported_and_skipped(model, photos, capsys):
    bad = [photos / 'notes.txt', photos / 'gone.jpg', f'{photos}/none*.png', '']
    assert run(model, bad[0], photos / 'a.jpg', *bad[1:], photos / 'b.PNG', '--json') == 2
    printed = capsys.readouterr()
    assert [entry['path'] for entry in json.loads(printed.out)] == [
        str(photos / 'a.jpg'),
        str(photos / 'b.PNG'),
    ]
    assert printed.err.splitlines() == [  # missing files first, before TensorFlow is loaded
        f'skipped {photos / "gone.jpg"}: No such file or directory',
        f'skipped {photos}/none*.png: No such file or directory',
        'skipped an empty path is not a picture',
        f'skipped {photos / "notes.txt"}: not an image',
        '2 of 6 pictures classified',
    ]


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such file names')
def test_names_of_files_neither_control_the_terminal_nor_forge_lines(model, photos, capsys):
    odd = photos / 'a\x1b[31m\n  top  99.00%.jpg'
    odd.write_bytes(PNG)
    assert run(model, odd, photos / 'gone\x1b[2J\n.jpg', photos / 'notes.txt') == 2
    out, err = capsys.readouterr()
    assert r'my photos/a\x1b[31m\n  top  99.00%.jpg' in out.splitlines()[1]
    assert [line.partition(': ')[0] for line in err.splitlines()] == [
        f'skipped {photos}' + r'/gone\x1b[2J\n.jpg',
        f'skipped {photos}/notes.txt',
        '1 of 3 pictures classified',
    ]
    assert '\x1b' not in out + err


def test_bad_pictures_do_not_shift_the_answers_of_others(model, tmp_path, capsys):
    """More pictures than a batch holds: alternating, every third one bad."""
    for n in range(70):
        picture = UPRIGHT if n % 2 else UPRIGHT[::-1]
        (tmp_path / f'{n:02}.png').write_bytes(encoded(picture, 'PNG') if n % 3 else b'damaged')
    assert run(model, tmp_path, '--json', '--top', '1') == 2
    printed = capsys.readouterr()
    named = {Path(entry['path']).stem: entry['classes'][0]['label'] for entry in json.loads(printed.out)}
    assert named == {f'{n:02}': 'top' if n % 2 else 'bottom' for n in range(70) if n % 3}
    assert '46 of 70 pictures classified' in printed.err


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('gone.jpg', r'gone\.jpg: No such file'),
        ('notes.txt', r'notes\.txt: not an image'),
        ('a' * 5000, 'File name too long'),
    ],
)
def test_a_single_bad_picture_is_the_error(model, photos, name, words):
    with pytest.raises(UserError, match=words):
        run(model, photos / name)


def test_a_folder_without_pictures(model, tmp_path):
    with pytest.raises(UserError, match='no pictures in this folder'):
        run(model, tmp_path)


@pytest.fixture
def without_tensorflow(monkeypatch):
    """Loading a model fails the test."""

    def load(path):
        pytest.fail('a model was loaded')

    monkeypatch.setattr(classify, 'load_model', load)


@pytest.mark.parametrize('form', ['--json', '--csv', '--top=1'])
def test_missing_pictures_are_reported_before_tensorflow_is_loaded(
    without_tensorflow, tmp_path, capsys, form
):
    names = [tmp_path / 'a.jpg', tmp_path / 'no[1].jpg', 'https://', tmp_path]
    assert classify.main([*map(str, names), form]) == 2
    printed = capsys.readouterr()
    assert printed.out == {'--json': '[]\n', '--csv': 'path,label,probability\n', '--top=1': ''}[form]
    assert printed.err.splitlines() == [
        f'skipped {names[0]}: No such file or directory',
        f'skipped {names[1]}: No such file or directory',
        'skipped https:// is not a web address: it must start with http:// or https://',
        f'skipped {tmp_path}: no pictures in this folder',
        '0 of 4 pictures classified',
    ]
    with pytest.raises(UserError, match=r'a\.jpg: No such file'):
        classify.main([str(names[0]), form])


def test_missing_pictures_are_answered_without_importing_tensorflow(tmp_path):
    code = (
        'import sys\nfrom src.inference import classify\n'
        'code = classify.main(["a.jpg", "b.jpg"])\nprint(code, "tensorflow" in sys.modules)'
    )
    where = {**os.environ, 'PYTHONPATH': str(paths.CHECKOUT)}
    ended = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, env=where, capture_output=True, text=True
    )
    assert ended.stdout == '2 False\n', ended.stderr


def test_json_stays_json_when_nothing_could_be_read(model, tmp_path, capsys):
    assert run(model, tmp_path / 'a.jpg', tmp_path / 'b.jpg', '--json') == 2
    assert json.loads(capsys.readouterr().out) == []


def kinds() -> dict[str, bytes]:
    """UPRIGHT in the kinds that need more than a plain decoder."""
    image = Image.fromarray(UPRIGHT)
    wide = UPRIGHT.astype(np.uint16) * 257
    made = {
        'plain.jpg': encoded(image, 'JPEG', quality=95),
        'progressive.jpg': encoded(image, 'JPEG', progressive=True),
        'grey.jpg': encoded(image.convert('L'), 'JPEG'),
        'cmyk.jpg': encoded(image.convert('CMYK'), 'JPEG'),
        'plain.png': PNG,
        '16-bit.png': raw_png(wide, 2),
        '16-bit-grey.png': raw_png(wide.mean(2, keepdims=True).astype(np.uint16), 0),
        'palette.png': encoded(image.quantize(64), 'PNG'),
        'alpha.png': encoded(image.convert('RGBA'), 'PNG'),
        'one.gif': encoded(image, 'GIF'),
        'moving.gif': encoded(
            image, 'GIF', save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)]
        ),
        'lossy.webp': encoded(image, 'WEBP'),
        'lossless.webp': encoded(image, 'WEBP', lossless=True),
        'plain.bmp': encoded(image, 'BMP'),
        'plain.tiff': encoded(image, 'TIFF'),
        'misnamed.png': encoded(image, 'JPEG'),
    }
    for turn in range(1, 9):
        stored = stored_for(UPRIGHT, turn)
        made[f'turned-{turn}.jpg'] = with_orientation(encoded(stored, 'JPEG', quality=95), turn)
        made[f'turned-{turn}.png'] = encoded(stored, 'PNG', exif=b'Exif\0\0' + exif(turn))
    return made


def test_all_formats_give_the_same_answer(model, tmp_path, capsys):
    for name, data in kinds().items():
        (tmp_path / name).write_bytes(data)
    assert run(model, tmp_path, '--json') == 0
    answers = as_json(capsys)
    assert len(answers) == len(kinds())
    plain = {entry['label']: entry['probability'] for entry in answers[str(tmp_path / 'plain.png')]}
    assert plain['top'] > 0.6
    for name, classes in answers.items():
        got = {entry['label']: entry['probability'] for entry in classes}
        assert got == pytest.approx(plain, abs=0.02), name


def test_one_pixel_and_a_transparent_picture(model, tmp_path, capsys):
    (tmp_path / 'pixel.png').write_bytes(encoded(np.array([[[9, 9, 9]]], np.uint8), 'PNG'))
    glass = np.dstack([UPRIGHT, np.zeros(UPRIGHT.shape[:2], np.uint8)])
    (tmp_path / 'glass.png').write_bytes(encoded(glass, 'PNG'))
    assert run(model, tmp_path, '--json') == 0
    for classes in as_json(capsys).values():
        assert [entry['probability'] for entry in classes] == pytest.approx([0.25] * 4, abs=1e-5)


def test_malicious_files_are_skipped_with_the_reason(model, tmp_path, capsys):
    traps = {
        'bomb.png': (bomb(), '30,000×30,000 pixels, more than the limit'),
        'cut.jpg': (encoded(photo(), 'JPEG')[:300], 'truncated'),
        'empty.jpg': (b'', 'empty file'),
        'heic.jpg': (b'\0\0\0\x18ftypheic' + bytes(40), 'HEIC, which'),
        'page.jpg': (b'<!DOCTYPE html><html></html>', 'not an image'),
    }
    for name, (data, _) in traps.items():
        (tmp_path / name).write_bytes(data)
    assert run(model, tmp_path, '--csv') == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ['path,label,probability']
    for line, (name, (_, reason)) in zip(printed.err.splitlines(), traps.items(), strict=False):
        assert line.startswith(f'skipped {tmp_path / name}: {reason}')


def test_a_picture_from_the_web_after_a_redirect(model, web, capsys):
    web.answers = [serves(code=302, Location='/there.png'), serves(PNG)]
    assert run(model, f'{web.url}/here.png', '--json', '--top', '1', source='uri') == 0
    assert as_json(capsys)[f'{web.url}/here.png'][0]['label'] == 'top'
    assert [asked['path'] for asked in web.asked] == ['/here.png', '/there.png']


def test_files_and_addresses_together_without_a_first_word(model, photos, web, capsys):
    web.answers = [serves(PNG)]
    address = f'{web.url.replace("http", "HTTP")}/[x]*?.png'
    assert classify.main([str(photos / 'a.jpg'), address, '--model', str(model), '--json', '--top', '1']) == 0
    assert list(as_json(capsys)) == [str(photos / 'a.jpg'), address]


@pytest.mark.parametrize('word', ['file', 'uri'])
def test_a_picture_with_the_name_of_a_first_word(model, tmp_path, monkeypatch, capsys, word):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        classify.main([word, '--model', str(model)])
    assert f"no picture is given after '{word}'" in capsys.readouterr().err
    Path(word).write_bytes(PNG)
    for words in ([word], ['file', word], [f'./{word}']):
        assert classify.main([*words, '--model', str(model), '--json', '--top', '1']) == 0
        assert list(as_json(capsys)) == [words[-1]]


@pytest.mark.posix  # Windows allows no : in names
def test_after_the_word_file_an_address_is_a_path(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('http:').mkdir()
    Path('http:', 'a.png').write_bytes(PNG)
    assert run(model, 'http://a.png', '--json') == 0
    assert list(as_json(capsys)) == ['http://a.png']


def test_addresses_without_a_picture_are_skipped(model, web, capsys):
    web.answers = [
        serves(code=404),
        serves(b'<html>a page</html>'),
        serves(b'', Content_Length=30_000_000),
        serves(PNG),
    ]
    addresses = [f'{web.url}/{name}' for name in ('404', 'page', 'large', 'good.png')]
    assert run(model, *addresses, 'ftp://example.org/a.jpg', '--json', source='uri') == 2
    printed = capsys.readouterr()
    assert [entry['path'] for entry in json.loads(printed.out)] == addresses[3:]
    for line, words in zip(
        printed.err.splitlines(),
        ('not a web address', '404 Not Found', 'not an image', 'larger than 20.0 MB', '1 of 5 pictures'),
        strict=True,
    ):
        assert words in line


def test_a_single_bad_address_is_the_error(model, web):
    web.answers = [serves(code=404)]
    with pytest.raises(UserError, match='answers 404 Not Found: check the address'):
        run(model, web.url + '/dog.jpg', source='uri')


def test_a_foreign_classifier_with_a_labels_file(tmp_path, capsys):
    """Three pictures at once for a graph as of 2015, whose softmax has a batch size of one."""
    other = somebody_elses(tmp_path / 'other.pb', NAMES)
    pictures = [photo(SIDE, SIDE, seed=n) for n in range(3)]
    for n, picture in enumerate(pictures):
        (tmp_path / f'{n}.png').write_bytes(encoded(picture, 'PNG'))
    assert run(other, *(tmp_path / f'{n}.png' for n in range(3)), '--json') == 0
    wanted = probabilities_of(bottleneck_of(np.stack(pictures).astype(float)))
    for row, classes in zip(wanted, as_json(capsys).values(), strict=True):
        got = {entry['label']: entry['probability'] for entry in classes}
        assert got == pytest.approx(dict(zip(NAMES, row, strict=True)), abs=1e-4)


def test_from_python_it_is_a_table_best_first(model, photos, web):
    table = classify.classify('file', photos / 'a.jpg', model)
    assert list(table.columns) == ['prob', 'breed']
    assert list(table.breed) == ['top', 'left', 'right', 'bottom']
    assert table.prob.sum() == pytest.approx(1, abs=1e-5)
    web.answers = [serves((photos / 'a.jpg').read_bytes())]
    assert classify.classify('uri', web.url, str(model)).equals(table)
    with pytest.raises(UserError, match="'file' or 'uri', not 'url'"):
        classify.classify('url', web.url, model)
    with pytest.raises(UserError, match=r'notes\.txt: not an image'):
        classify.classify('file', photos / 'notes.txt', model)
    with pytest.raises(UserError, match='a path cannot hold a zero byte'):
        classify.classify('file', 'a\0b', model)


def test_the_shipped_model_needs_no_flag(photos):
    table = classify.classify('file', photos / 'a.jpg')
    assert len(table) == 120
    assert {'chihuahua', 'beagle', 'pug'} <= set(table.breed)


@pytest.fixture
def newest():
    """A model that the user froze after Stanford Dogs was trained."""
    made = [brightest_side(paths.frozen(name)) for name in (consts.CURRENT_MODEL_NAME, "my 'sides'")]
    os.utime(made[0], (1, 1))
    yield made[1]
    for path in made:
        path.unlink()


def test_the_default_model_is_printed_with_the_reason(newest, photos, capsys):
    """Also if the current model of consts.py is frozen: it is used with --name."""
    reason = 'the model that ships with Rootstock, as no --model is given; for your newest: --model '
    assert classify.main([str(photos / 'a.jpg'), '--top', '1']) == 0
    head, *_ = capsys.readouterr().out.splitlines()
    shipped = paths.shown(lightest(paths.POCKET_DOGS))
    assert head == f'{shipped}: 120 classes ({reason}{shlex.quote(paths.shown(newest))})'
    for form in ('--json', '--csv'):
        assert classify.main([str(photos / 'a.jpg'), form]) == 0
        printed = capsys.readouterr()
        assert printed.err == f'{shipped}: {reason}{shlex.quote(paths.shown(newest))}\n'
        assert 'ships' not in printed.out
        assert classify.main([str(photos / 'a.jpg'), form, '--name', consts.CURRENT_DATASET_NAME]) == 0
        printed = capsys.readouterr()
        assert printed.err == '' and 'bottom' in printed.out


@pytest.mark.parametrize(
    ('flags', 'words'),
    [
        (['file', 'a.jpg', '--top', '0'], "'0' is not a whole number of at least 1"),
        (['file', 'a.jpg', '--json', '--csv'], 'not allowed with argument'),
        ([], 'required'),
        (['a.jpg', '--name', 'x', '--model', 'y.pb'], 'not allowed with argument'),
        (['file', 'a.jpg', '--name', '../x'], 'is a path'),
    ],
)
def test_invalid_flags(flags, words, capsys):
    with pytest.raises(SystemExit) as ended:
        classify.main(flags)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_no_model_of_that_name():
    with pytest.raises(
        UserError, match=r'frozen/nobody\.pb: run python -m src\.training\.train --name nobody'
    ):
        classify.main(['file', 'a.jpg', '--name', 'nobody'])


def command(*arguments, **options):
    """A run in a process of its own."""
    clean = {k: v for k, v in os.environ.items() if k not in ('TF_CPP_MIN_LOG_LEVEL', 'ROOTSTOCK_DEBUG')}
    return subprocess.run(
        [sys.executable, '-m', 'src.inference.classify', *map(str, arguments)],
        cwd=paths.CHECKOUT,
        env=clean,
        capture_output=True,
        **options,
    )


def test_standard_input_and_no_output_of_tensorflow(model, photos):
    ended = command('file', '-', photos / 'a.jpg', '--model', model, '--csv', '--top', '1', input=PNG)
    assert ended.stderr == b''
    assert ended.returncode == 0
    rows = list(csv.reader(io.StringIO(ended.stdout.decode())))
    assert [row[:2] for row in rows[1:]] == [['-', 'top'], [str(photos / 'a.jpg'), 'top']]


def test_an_error_is_one_line_and_code_2(photos, forks):
    words = 'file', str(photos / 'a.jpg'), '--model', str(photos / 'notes.txt')
    ended = forks.command('src.inference.classify', *words)
    out, error = ended.communicate()
    line = f'error: {photos / "notes.txt"} is not a TensorFlow GraphDef, or damaged\n'
    assert (ended.returncode, out, error) == (2, '', line)


def test_debug_shows_the_traceback(model, tmp_path):
    ended = command('file', tmp_path / 'gone.jpg', '--model', model, '--debug', text=True)
    assert ended.returncode == 2
    assert 'Traceback (most recent call last)' in ended.stderr
    assert 'classify.py' in ended.stderr
    assert ended.stderr.splitlines()[-1] == f'error: {tmp_path / "gone.jpg"}: No such file or directory'


def wait_for_work(process: int) -> None:
    """Wait until a process has computed for half a second more."""
    stat = Path(f'/proc/{process}/stat')
    if not stat.exists():
        time.sleep(3)
        return

    def ticks() -> int:
        return sum(map(int, stat.read_text().rpartition(')')[2].split()[11:13]))

    begun, end = ticks(), time.monotonic() + 60
    while ticks() < begun + os.sysconf('SC_CLK_TCK') / 2 and time.monotonic() < end:
        time.sleep(0.05)


@pytest.mark.posix
@pytest.mark.parametrize('start', ['-m src.inference.classify', '-c', '--watch'])
def test_ctrl_c_ends_a_graph_that_never_ends(start, tmp_path, forks):
    graph, picture = endless_graph(tmp_path / 'endless.pb'), tmp_path / 'a.png'
    words = ['--model', str(graph), str(picture)]
    if start == '--watch':
        words[-1:] = ['--watch', str(tmp_path)]
    else:
        picture.write_bytes(PNG)
    if start == '-c':
        entry = 'import sys; sys.argv[0] = "rootstock"; from src.__main__ import rootstock; rootstock()'
        run = forks.start(entry, 'classify', *words)
    else:
        run = forks.command('src.inference.classify', *words)
    try:
        assert 'classes' in next(run.lines())
        if start == '--watch':
            picture.write_bytes(PNG)
        wait_for_work(run.pid)
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        assert (run.communicate(timeout=60)[1].splitlines()[-1], run.returncode) == ('stopped', 130)
    finally:
        run.kill()
