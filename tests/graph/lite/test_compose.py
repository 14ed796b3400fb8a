"""One .tflite model of two."""

from __future__ import annotations

import numpy as np
import pytest

from src.common import paths
from src.common.errors import UserError
from src.graph.frozen import load_graph
from src.graph.graph_io import node_of
from src.graph.lite.compose import compose
from src.graph.lite.convert import convert, convert_head
from src.graph.lite.interpreters import Interpreters
from src.graph.lite.package import write_package
from src.graph.weights import put_weights

schema = pytest.importorskip('ai_edge_litert.schema_py_generated')


@pytest.fixture(scope='module')
def pixels():
    return np.random.default_rng(3).uniform(0, 255, (6, 144, 144, 3)).astype(np.float32)


@pytest.fixture(scope='module')
def shipped():
    model = load_graph(paths.POCKET_DOGS)
    return put_weights(model.graph_def, model.weights), model


@pytest.fixture(scope='module', params=['float32', 'int8'])
def backbone(request, shipped, pixels):
    graph_def, model = shipped
    vector = model.info['backbone']['bottleneck']
    return convert(graph_def, model.preprocessing, vector, paths.POCKET_DOGS, request.param, pixels)


@pytest.fixture(scope='module')
def head(shipped):
    graph_def, model = shipped
    return convert_head(graph_def, model.info['backbone']['bottleneck'], model.output, paths.POCKET_DOGS)


def run(model: bytes, given: np.ndarray) -> np.ndarray:
    """The outputs of a model, row by row, without what Interpreters checks."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    (taken,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for row in given:
        interpreter.set_tensor(taken['index'], row[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(output['index'])[0])
    return np.stack(rows)


def test_the_composed_model_gives_the_numbers_of_both_to_the_last_digit(backbone, head, pixels):
    vectors = run(backbone, pixels)
    assert vectors.shape == (6, 512) and np.ptp(vectors, axis=0).max() > 0.1
    assert np.array_equal(run(compose(backbone, head), pixels), run(head, vectors))


def test_the_head_of_a_graph_takes_its_bottleneck(shipped, head, pixels):
    from src.inference.runtimes.tensorflow import TensorFlowPredictor

    vectors = np.random.default_rng(4).uniform(0, 2, (3, 512)).astype(np.float32)
    expected = TensorFlowPredictor(shipped[1]).from_bottlenecks(vectors)
    assert np.abs(run(head, vectors) - expected).max() < 1e-5


def test_a_composed_model_is_a_file_as_any_other(backbone, head, pixels, tmp_path):
    whole = compose(backbone, head)
    assert len(whole) < len(backbone) + len(head)
    path = write_package(tmp_path / 'whole.tflite', whole, ['a'], {})
    assert np.array_equal(Interpreters(path).run(pixels), run(whole, pixels))
    assert compose(backbone, head) == whole


def test_constants_are_aligned_as_the_file_format_demands(backbone, head):
    whole = compose(backbone, head)
    model = schema.Model.GetRootAs(whole, 0)
    held = [model.Buffers(place) for place in range(model.BuffersLength())]
    filled = [buffer.DataAsNumpy() for buffer in held if buffer.DataLength()]
    begin = np.frombuffer(whole, np.uint8).ctypes.data
    assert filled and all((data.ctypes.data - begin) % 16 == 0 for data in filled)


def test_the_newer_runtime_is_named(backbone, head):
    def runtime(data: bytes, version: bytes | None = None):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        (noted,) = (one for one in model.metadata if one.name == b'min_runtime_version')
        if version is None:
            return bytes(model.buffers[noted.buffer].data).rstrip(b'\0')
        model.buffers[noted.buffer].data = np.frombuffer(version.ljust(16, b'\0'), np.uint8)
        import flatbuffers

        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b'TFL3')
        return bytes(builder.Output())

    assert runtime(compose(backbone, runtime(head, b'9.10.0'))) == b'9.10.0'
    assert runtime(compose(runtime(backbone, b'9.10.0'), runtime(head, b'9.9.1'))) == b'9.10.0'


def test_models_that_do_not_fit_are_refused(shipped, backbone, head):
    with pytest.raises(UserError, match=r'gives values \[1, 120\], and the head takes \[1, 512\]'):
        compose(head, head)
    with pytest.raises(UserError, match='gives values'):
        compose(backbone, backbone)


def test_the_nodes_before_the_bottleneck_are_not_in_the_head(shipped, head):
    graph_def, model = shipped
    assert any(node.name == node_of(model.info['backbone']['bottleneck']) for node in graph_def.node)
    subgraph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(head, 0)).subgraphs[0]
    assert len(subgraph.operators) <= 6
