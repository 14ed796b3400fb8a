"""Other runtimes on the same graph: OpenVINO, LiteRT, and ONNX Runtime after a conversion by tf2onnx.

The graph begins with pixels and has FusedBatchNorm ops, which all of them fold. Photos are decoded as in
Rootstock, in threads while the network runs. int8 is calibrated on the first of the photos that are measured:
by NNCF for OpenVINO, by TensorFlow's converter for LiteRT.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.task import BATCH, CALIBRATION, Task, decoded, inputs
from benchmarks.ways import Vectors
from src.graph.backbones import load_backbone
from src.graph.graph_io import read_graph
from src.graph.lite.convert import convert
from src.graph.lite.interpreters import CORES, Interpreters

OPENVINO_BATCH = 1  # the fastest of 1, 8 and 32 on this machine, with a stream for each core


def openvino(task: Task, precision: str) -> Vectors:
    """OpenVINO with its asynchronous queue and the throughput hint."""
    import openvino as ov

    read, data = inputs(task)
    model = ov.Core().read_model(task.network)
    model.reshape([OPENVINO_BATCH, *read(data[0]).shape])
    hints = {'PERFORMANCE_HINT': 'THROUGHPUT'}
    if precision == 'int8':  # what is not quantized is computed in what OpenVINO takes for the fastest
        model = _quantized(model, [read(one) for one in data[:CALIBRATION]])
    else:
        hints['INFERENCE_PRECISION_HINT'] = {'float32': 'f32', 'bfloat16': 'bf16'}[precision]
    queue = ov.AsyncInferQueue(ov.compile_model(model, 'CPU', hints))
    made: dict[int, np.ndarray] = {}

    def keep(request, start: int) -> None:
        made[start] = request.get_output_tensor(0).data.reshape(OPENVINO_BATCH, -1).copy()

    queue.set_callback(keep)

    def run() -> np.ndarray:
        for start, pixels in decoded(read, data, OPENVINO_BATCH):
            queue.start_async({0: pixels}, start)
        queue.wait_all()
        return np.concatenate([made[start] for start in sorted(made)])

    return run


def _quantized(model, pictures: list[np.ndarray]):
    """Post-training quantization of an OpenVINO model with NNCF's defaults."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        return nncf.quantize(model, nncf.Dataset([one[None] for one in pictures]))


def litert(task: Task, precision: str) -> Vectors:
    """LiteRT with an interpreter for each core, which takes one picture at a time."""
    read, data = inputs(task)
    backbone = load_backbone(task.released)
    pictures = [read(one) for one in data[:CALIBRATION]] if precision == 'int8' else ()
    model = convert(
        read_graph(task.network), backbone.preprocessing, task.bottleneck, task.network, precision, pictures
    )
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, 'network.tflite')
        file.write_bytes(model)
        network = Interpreters(file)

    def run() -> np.ndarray:
        with ThreadPoolExecutor(CORES) as pool:
            return np.concatenate(list(pool.map(lambda one: network.run(read(one)[None]), data)))

    return run


def onnx_runtime(task: Task) -> Vectors:
    """ONNX Runtime with one batch after another, while the next ones are decoded."""
    import onnxruntime
    import tf2onnx

    read, data = inputs(task)
    with tempfile.TemporaryDirectory() as scratch:
        file = str(Path(scratch, 'network.onnx'))
        network = read_graph(task.network)
        names = {'input_names': [task.pixels], 'output_names': [task.bottleneck]}
        tf2onnx.convert.from_graph_def(network, **names, output_path=file)
        session = onnxruntime.InferenceSession(file)

    def run() -> np.ndarray:
        batches = decoded(read, data, BATCH)
        vectors = [session.run(None, {task.pixels: pixels})[0] for _, pixels in batches]
        return np.concatenate(vectors).reshape(len(data), -1)

    return run
