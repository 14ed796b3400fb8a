"""Other runtimes on the same graph: OpenVINO, and ONNX Runtime after a conversion by tf2onnx.

The graph begins with pixels and has FusedBatchNorm ops, which both runtimes fold. Photos are decoded as in
Rootstock, in threads while the network runs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.task import BATCH, Task, decoded
from benchmarks.ways import Vectors
from src.graph.backbones import load_backbone
from src.graph.graph_io import read_graph
from src.images.reader import ImageReader

OPENVINO_BATCH = 1  # the fastest of 1, 8 and 32 on this machine, with a stream for each core


def _reader(task: Task) -> ImageReader:
    backbone = load_backbone(task.released)
    return ImageReader(backbone.graph_def, backbone.preprocessing)


def openvino(task: Task, precision: str) -> Vectors:
    """OpenVINO with its asynchronous queue and the throughput hint."""
    import openvino as ov

    reader, data = _reader(task), task.data()
    model = ov.Core().read_model(task.network)
    hints = {
        'PERFORMANCE_HINT': 'THROUGHPUT',
        'INFERENCE_PRECISION_HINT': {'float32': 'f32', 'bfloat16': 'bf16'}[precision],
    }
    model.reshape([OPENVINO_BATCH, *reader.shape])
    queue = ov.AsyncInferQueue(ov.compile_model(model, 'CPU', hints))
    made: dict[int, np.ndarray] = {}

    def keep(request, start: int) -> None:
        made[start] = request.get_output_tensor(0).data.reshape(OPENVINO_BATCH, -1).copy()

    queue.set_callback(keep)

    def run() -> np.ndarray:
        for start, pixels in decoded(reader.read, data, OPENVINO_BATCH):
            queue.start_async({0: pixels}, start)
        queue.wait_all()
        return np.concatenate([made[start] for start in sorted(made)])

    return run


def onnx_runtime(task: Task) -> Vectors:
    """ONNX Runtime with one batch after another, while the next ones are decoded."""
    import onnxruntime
    import tf2onnx

    reader, data = _reader(task), task.data()
    with tempfile.TemporaryDirectory() as scratch:
        file = str(Path(scratch, 'network.onnx'))
        network = read_graph(task.network)
        names = {'input_names': [task.pixels], 'output_names': [task.bottleneck]}
        tf2onnx.convert.from_graph_def(network, **names, output_path=file)
        session = onnxruntime.InferenceSession(file)

    def run() -> np.ndarray:
        batches = decoded(reader.read, data, BATCH)
        vectors = [session.run(None, {task.pixels: pixels})[0] for _, pixels in batches]
        return np.concatenate(vectors).reshape(len(data), -1)

    return run
