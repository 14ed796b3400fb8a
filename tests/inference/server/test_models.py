"""Models by name and version, replaced while in use."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.graph_io import nodes_by_name, read_graph, renamed, write_graph
from src.graph.lite.interpreters import Interpreters
from src.images.faults import BadImage
from src.inference.server import loading
from src.inference.server.models import Models, NoSuchModel
from src.inference.workers import CORES
from tests.inference.models import SIDES, bright_above, brightest_side
from tests.lite import endless
from tests.pictures import encoded

PICTURE = np.zeros((8, 8, 3), np.float32)


def replace(path, labels):
    """Replace a file atomically, as `freeze` does."""
    brightest_side(path.with_name('new.tmp'), labels).rename(path)


def test_a_file_is_version_one_and_its_replacement_two(tmp_path):
    path = brightest_side(tmp_path / 'side.pb')
    models = Models([path])
    with models.use() as served:
        assert (served.name, served.version, served.labels) == ('side', 1, SIDES)
    slot = models.slot('side')
    assert not slot.refresh()
    replace(path, ['a', 'b', 'c', 'd'])
    assert slot.refresh() and not slot.refresh()
    with models.use('side', 2) as served:
        assert served.labels == ['a', 'b', 'c', 'd']
    with pytest.raises(NoSuchModel, match='no version 1; its versions: 2'), models.use('side', 1):
        pass
    models.close()


def test_the_highest_version_in_a_folder_is_served(tmp_path):
    folder = tmp_path / 'side'
    folder.mkdir()
    for version in (2, 10, 9):
        brightest_side(folder / f'{version}.pb')
    brightest_side(folder / 'notes.pb')
    models = Models([folder])
    with models.use('side') as served:
        assert served.version == 10
    brightest_side(folder / '11.pb')
    assert models.slot('side').refresh()
    with models.use('side', 11) as served:
        assert served.version == 11
    (folder / '11.pb').unlink()  # without the newest version the one before is served
    assert models.slot('side').refresh()
    with models.use('side') as served:
        assert served.version == 10
    models.close()


def test_a_broken_new_version_leaves_the_old_one_served(tmp_path):
    folder = tmp_path / 'side'
    folder.mkdir()
    brightest_side(folder / '1.pb')
    models = Models([folder])
    (folder / '2.pb').write_bytes(b'half a file')
    slot = models.slot('side')
    with pytest.raises(UserError, match='not a TensorFlow GraphDef'):
        slot.refresh()
    assert slot.failure[0] == 2 and slot.failure[1].startswith('2.pb is not a TensorFlow GraphDef')
    assert not slot.refresh()  # reported once, until the file changes
    with models.use('side') as served:
        assert served.version == 1
    brightest_side(folder / '2.pb')
    assert slot.refresh() and slot.failure is None
    models.close()


def test_without_a_broken_new_version_the_served_one_is_not_loaded_again(tmp_path):
    folder = tmp_path / 'side'
    folder.mkdir()
    brightest_side(folder / '1.pb')
    models = Models([folder])
    slot = models.slot('side')
    served = slot.served
    (folder / '2.pb').write_bytes(b'half a file')
    with pytest.raises(UserError, match='not a TensorFlow GraphDef'):
        slot.refresh()
    (folder / '2.pb').unlink()
    assert slot.refresh() and slot.failure is None
    assert slot.served is served and not slot.refresh()
    (folder / '2.pb').write_bytes(b'half a file again')
    with pytest.raises(UserError, match='not a TensorFlow GraphDef'):
        slot.refresh()
    assert slot.failure[0] == 2
    models.close()


def test_versions_of_both_runtimes_follow_each_other(tmp_path, lite_side):
    folder = tmp_path / 'side'
    folder.mkdir()
    brightest_side(folder / '1.pb')
    models = Models([folder])
    slot = models.slot('side')
    assert not slot.served.one_by_one
    with models.use() as old:
        shutil.copy(lite_side, folder / '2.tflite')
        assert slot.refresh() and slot.served.version == 2 and slot.served.one_by_one
        assert old.batcher.submit(PICTURE).result(10).shape == (4,)  # still open
    with models.use('side', 2) as served:
        np.testing.assert_allclose(served.answer(PICTURE), 0.25, atol=1e-6)
        assert served.batcher.submit(PICTURE).result(10).shape == (4,)
    brightest_side(folder / '3.pb')
    assert slot.refresh() and slot.served.version == 3 and not slot.served.one_by_one
    models.close()


def test_a_damaged_lite_version_leaves_the_old_one_served(tmp_path, lite_side):
    folder = tmp_path / 'side'
    folder.mkdir()
    shutil.copy(lite_side, folder / '1.tflite')
    models, stop = Models([folder]), threading.Event()
    watch = threading.Thread(target=models.watch, args=[0.05, stop], daemon=True)
    watch.start()
    slot = models.slot('side')
    whole = lite_side.read_bytes()
    for version, (data, words) in enumerate(
        [
            (b'half a file', 'not a .tflite model'),
            (whole[:200], '3.tflite'),
            (whole[: whole.index(b'PK')], 'does not say which pixels it takes'),  # no facts behind it
        ],
        start=2,
    ):
        (tmp_path / 'new.tmp').write_bytes(data)
        (tmp_path / 'new.tmp').rename(folder / f'{version}.tflite')
        wait_until(lambda: slot.failure and slot.failure[0] == version)  # noqa: B023 - called at once
        assert words in slot.failure[1] and '\n' not in slot.failure[1]
        with models.use('side', 1) as served:
            assert served.answer(PICTURE).shape == (4,)
    shutil.copy(lite_side, tmp_path / 'new.tmp')
    (tmp_path / 'new.tmp').rename(folder / '5.tflite')
    wait_until(lambda: slot.served.version == 5)
    assert slot.failure is None
    stop.set()
    watch.join(10)
    models.close()


@pytest.mark.posix
def test_a_version_that_crashes_or_never_ends_is_refused_and_a_newer_one_is_served(
    tmp_path, lite_side, monkeypatch, capsys
):
    monkeypatch.setattr('src.inference.workers.START_SECONDS', 4)
    folder = tmp_path / 'side'
    folder.mkdir()
    shutil.copy(lite_side, folder / '1.tflite')
    picture = encoded(bright_above(), 'JPEG')
    models, stop = Models([folder], workers=1), threading.Event()
    slot, before = models.slot('side'), set(multiprocessing.active_children())
    bad = endless(lite_side, tmp_path / 'endless.tflite')
    watch = threading.Thread(target=models.watch, args=[0.05, stop], daemon=True)
    watch.start()
    shutil.copy(bad, tmp_path / 'new.tmp')
    (tmp_path / 'new.tmp').rename(folder / '2.tflite')
    wait_until(lambda: set(multiprocessing.active_children()) - before)
    time.sleep(0.5)
    (child,) = set(multiprocessing.active_children()) - before
    os.kill(child.pid, signal.SIGSEGV)  # as a fault in the network's code
    wait_until(lambda: slot.failure)
    assert slot.failure[0] == 2 and 'ended its process at a first picture (exit code -11)' in slot.failure[1]
    with models.use('side', 1) as served:
        assert served.answer(picture).argmax() == 0
    bad.rename(folder / '3.tflite')
    wait_until(lambda: slot.failure[0] == 3)
    assert 'did not answer a first picture in 4 seconds' in slot.failure[1]
    with models.use('side', 1) as served:
        assert served.answer(picture).argmax() == 0
    shutil.copy(lite_side, tmp_path / 'new.tmp')
    (tmp_path / 'new.tmp').rename(folder / '4.tflite')
    wait_until(lambda: slot.served.version == 4)
    assert slot.failure is None
    stop.set()
    watch.join(10)
    models.close()
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith('still serving version 1') for line in lines] == [True, True, False]


@pytest.mark.posix
def test_the_server_does_not_run_the_network_of_a_lite_model_itself(lite_side, monkeypatch):
    models = Models([lite_side], workers=1)
    served, picture = models.slot('side').served, encoded(bright_above(), 'JPEG')
    wanted = served.answer(picture)
    monkeypatch.setattr(Interpreters, 'run', None)  # of this process
    pixels = served.predictor.reader.read(picture)
    np.testing.assert_array_equal(served.probabilities(picture, pixels), wanted)
    with pytest.raises(BadImage, match='not an image'):
        served.probabilities(b'no picture', pixels)
    models.close()


def test_pictures_run_by_as_many_threads_as_there_are_cores(lite_side, monkeypatch):
    """With LiteRT a request computes in its own thread: others wait for a free core."""
    models = Models([lite_side])
    running, most, lock = 0, 0, threading.Lock()
    served = models.slot('side').served
    from_mixed = served.predictor.from_mixed

    def counted(rows):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return from_mixed(rows)

    monkeypatch.setattr(served.predictor, 'from_mixed', counted)
    with ThreadPoolExecutor(4 * CORES) as pool:
        answers = list(pool.map(served.answer, [PICTURE] * 8 * CORES))
    assert len(answers) == 8 * CORES and most == CORES
    models.close()


def unrunnable(path, labels):
    """Write a model that loads and cannot be run: it adds tensors of incompatible shapes."""
    brightest_side(path, labels)
    graph_def = read_graph(path)
    (softmax,) = (node for node in graph_def.node if node.op == 'Softmax')
    with tf.Graph().as_default() as graph:
        tf.placeholder_with_default(np.zeros((3, 4), np.float32), [None, 4], 'three')
        added = graph.as_graph_def().node
    graph_def.node.extend(added)
    total = graph_def.node.add(name='total', op='AddV2', input=[softmax.input[0], 'three'])
    total.attr['T'].type = tf.float32.as_datatype_enum
    softmax.input[0] = 'total'
    # One row can be broadcast, so there are two.
    twice = graph_def.node.add(name='twice', op='ConcatV2', input=[total.input[0], total.input[0], 'zero'])
    twice.attr['T'].type, twice.attr['Tidx'].type = tf.float32.as_datatype_enum, tf.int32.as_datatype_enum
    twice.attr['N'].i = 2
    zero = graph_def.node.add(name='zero', op='Const')
    zero.attr['dtype'].type = tf.int32.as_datatype_enum
    zero.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(0))
    total.input[0] = 'twice'
    return write_graph(graph_def, path)


def test_a_new_version_that_fails_in_its_first_run_does_not_end_the_watch(tmp_path):
    folder = tmp_path / 'side'
    folder.mkdir()
    brightest_side(folder / '1.pb')
    models, stop = Models([folder]), threading.Event()
    watch = threading.Thread(target=models.watch, args=[0.05, stop], daemon=True)
    watch.start()
    unrunnable(tmp_path / 'new.tmp', SIDES).rename(folder / '2.pb')
    slot = models.slot('side')
    wait_until(lambda: slot.failure)
    assert slot.failure[0] == 2 and slot.served.version == 1
    brightest_side(tmp_path / 'new.tmp').rename(folder / '3.pb')
    wait_until(lambda: slot.served.version == 3)
    assert slot.failure is None
    stop.set()
    watch.join(10)
    models.close()


def aborting(path):
    """Write a model that ends its process at the first picture, which a trusted graph may do."""
    graph_def = read_graph(brightest_side(path))
    graph_def.node.add(name='abort', op='Abort')
    nodes_by_name(graph_def)['output_node'].input.append('^abort')
    return write_graph(graph_def, path)


def endless_graph(path):
    """Write a model that never answers."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(read_graph(brightest_side(path)), name='')
        begin = graph.get_tensor_by_name('pool_3:0')[0, 0]
        number = tf.while_loop(lambda i: i >= 0, lambda i: i * 0, [begin])
        tf.add(graph.get_tensor_by_name('output_node:0'), tf.reshape(number, []), 'waits')
        graph_def = graph.as_graph_def()
    return write_graph(renamed(graph_def, {'output_node': 'before', 'waits': 'output_node'}), path)


def test_a_frozen_graph_that_ends_or_holds_its_process_does_so_in_another_one(tmp_path, monkeypatch):
    monkeypatch.setattr('src.common.process.trust._Process.trusted', True)
    folder = tmp_path / 'side'
    folder.mkdir()
    brightest_side(folder / '1.pb')
    models = Models([folder], workers=1)
    slot = models.slot('side')
    for number, spoiled, seconds, words in (
        (2, aborting, loading.TRIAL_SECONDS, 'ended its process at a first picture'),
        (3, endless_graph, 5, 'did not answer a first picture in 5 seconds'),
    ):
        spoiled(folder / f'{number}.pb')
        with monkeypatch.context() as patch, pytest.raises(UserError, match=rf'{number}\.pb {words}'):
            patch.setattr(loading, 'TRIAL_SECONDS', seconds)
            slot.refresh()
        assert slot.failure[0] == number and slot.served.version == 1
        assert slot.served.predictor.from_pixels(PICTURE[None]).shape == (1, len(SIDES))
    brightest_side(folder / '4.pb')
    assert slot.refresh() and slot.served.version == 4
    assert not multiprocessing.active_children()
    models.close()


def test_a_new_version_that_hangs_does_not_hold_up_those_of_other_models(tmp_path, monkeypatch):
    one, two = brightest_side(tmp_path / 'one.pb'), brightest_side(tmp_path / 'two.pb')
    models, stop, hangs, goes_on = Models([one, two]), *(threading.Event() for _ in range(3))

    def load(found, *options):
        if found.path == one:
            hangs.set()
            assert goes_on.wait(60)
        return loading.load_served(found, *options)

    monkeypatch.setattr('src.inference.server.served.load_served', load)
    watch = threading.Thread(target=models.watch, args=[0.05, stop], daemon=True)
    watch.start()
    replace(one, SIDES)
    assert hangs.wait(30)
    replace(two, SIDES)
    try:
        wait_until(lambda: models.slot('two').served.version == 2)
        assert models.slot('one').served.version == 1
    finally:
        goes_on.set()
    wait_until(lambda: models.slot('one').served.version == 2)
    stop.set()
    watch.join(10)
    assert not watch.is_alive()
    models.close()


def wait_until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_old_version_is_closed_only_when_its_last_user_has_left(tmp_path):
    path = brightest_side(tmp_path / 'side.pb')
    models = Models([path])
    with models.use() as old:
        replace(path, ['a', 'b', 'c', 'd'])
        models.slot('side').refresh()
        answer = old.batcher.submit(PICTURE).result(10)  # still open
        assert answer.shape == (4,)
    with pytest.raises(RuntimeError):
        old.batcher.submit(PICTURE)
    assert not old.enter()
    models.close()


def test_no_request_fails_while_versions_change(tmp_path):
    path = brightest_side(tmp_path / 'side.pb')
    models = Models([path])
    over, faults, done = threading.Event(), [], []

    def ask() -> None:
        while not over.is_set():
            try:
                with models.use() as served:
                    done.append(served.batcher.submit(PICTURE).result(10).shape)
            except Exception as error:
                faults.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        replace(path, SIDES)
        assert models.slot('side').refresh()
    over.set()
    for thread in threads:
        thread.join(10)
    assert not faults and len(done) > 5
    with models.use() as served:
        assert served.version == 6
    models.close()


def test_unknown_and_repeated_names(tmp_path):
    path = brightest_side(tmp_path / 'side.pb')
    (tmp_path / 'side').mkdir()
    with pytest.raises(UserError, match='two models are named side'):
        Models([path, path])
    with pytest.raises(UserError, match='there is no model'):
        Models([tmp_path / 'side'])
    with pytest.raises(UserError, match='there is no model'):
        Models([tmp_path / 'nowhere.pb'])
    models = Models([path])
    with pytest.raises(NoSuchModel, match=r"'\.\./side'; the models are side"), models.use('../side'):
        pass
    models.close()


def test_several_models_the_first_is_the_default(tmp_path):
    first = brightest_side(tmp_path / 'first.pb')
    other = brightest_side(tmp_path / 'other.pb', ['a', 'b', 'c', 'd'])
    models = Models([first, other])
    assert models.names == ['first', 'other']
    with models.use() as served, models.use('other') as second:
        assert (served.name, second.labels) == ('first', ['a', 'b', 'c', 'd'])
    models.close()
