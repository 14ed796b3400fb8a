from __future__ import annotations

import numpy as np
import pytest

from src.common import errors, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph import precision
from src.graph.backbones import load_backbone

FLAGS = 'flags\t\t: fpu vme {} nopl\nbugs\t\t: avx512_bf16_is_no_flag_here\n'


@pytest.mark.parametrize(
    ('flags', 'wanted'),
    [('avx2', False), ('avx512f avx512_bf16', True), ('amx_bf16', True), ('amx_bf16x', False)],
)
def test_the_flags_of_the_cpu_decide(tmp_path, flags, wanted):
    cpuinfo = tmp_path / 'cpuinfo'
    cpuinfo.write_text(FLAGS.format(flags))
    assert precision.cpu_has_bfloat16(cpuinfo) == wanted


def test_float32_without_proc_cpuinfo(tmp_path):
    assert not precision.cpu_has_bfloat16(tmp_path / 'none')


def test_choices_are_resolved(monkeypatch):
    for has, auto in ((True, 'bfloat16'), (False, 'float32')):
        monkeypatch.setattr(precision, 'cpu_has_bfloat16', lambda has=has: has)
        assert precision.resolve('auto') == auto
        assert precision.resolve('float32') == 'float32'
    monkeypatch.setattr(errors, 'missing_packages', lambda *packages: [])
    assert precision.resolve('int8') == 'int8'
    assert precision.in_tensorflow('int8') == 'float32' and precision.in_tensorflow('bfloat16') == 'bfloat16'
    with pytest.raises(UserError, match='--precision float32'):
        precision.resolve('bfloat16')


@pytest.mark.skipif(not precision.cpu_has_bfloat16(), reason='this CPU has no instructions for bfloat16')
def test_bfloat16_is_used_and_close_to_float32():
    backbone = load_backbone(paths.POCKET_GRAPH_DEF)
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 144, 144, 3)).astype(np.float32)
    got, types = {}, {}
    for name in ('float32', 'bfloat16'):
        with tf.Graph().as_default() as graph:
            bottleneck = backbone.attach()
        seen = tf.RunMetadata()
        with tf.Session(graph=graph, config=precision.session_config(name)) as session:
            options = tf.RunOptions(output_partition_graphs=True)
            got[name] = session.run(bottleneck, {backbone.preprocessing.pixels: pixels}, options, seen)
        types[name] = {
            node.attr['T'].type for part in seen.partition_graphs for node in part.node if 'Conv' in node.op
        }
    assert types['bfloat16'] & {tf.bfloat16.as_datatype_enum}
    assert not types['float32'] & {tf.bfloat16.as_datatype_enum}
    assert got['bfloat16'].dtype == np.float32
    error = np.linalg.norm(got['bfloat16'] - got['float32']) / np.linalg.norm(got['float32'])
    assert 0 < error < 0.03
