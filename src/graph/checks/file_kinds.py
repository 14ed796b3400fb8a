"""Identify files and folders that are not a binary GraphDef, and say how to make a frozen graph of them."""

from __future__ import annotations

import re
from pathlib import Path

from src.common.tf1 import tf

FREEZE_1 = 'tf.compat.v1.graph_util.convert_variables_to_constants(session, graph_def, [OUTPUT])'
FREEZE_2 = 'tensorflow.python.framework.convert_to_constants.convert_variables_to_constants_v2'
BINARY = 'tf.io.write_graph(graph_def, FOLDER, NAME, as_text=False)'
RESTORE = f'restore it with tf.compat.v1.train.import_meta_graph, then write what {FREEZE_1} returns'

SAVED_MODEL = f'a SavedModel: freeze it first, for example with {FREEZE_2} on one of its signatures'
META_GRAPH = f'a MetaGraphDef, which holds no weights (they are in the checkpoint beside it): {RESTORE}'
CHECKPOINT = f'a TensorFlow checkpoint, which holds weights but no graph: {RESTORE}'
TEXT_GRAPH = f'a graph in text form: read it with google.protobuf.text_format and write it with {BINARY}'
KERAS = (
    'a Keras model: make a frozen graph of it with python -m src.freezing.keras_import --keras FILE '
    '--labels NAMES.txt'
)
LITE = 'a TensorFlow Lite model: use the graph or SavedModel that it was converted from, and freeze that'
ONNX = 'an ONNX model: use the TensorFlow model that it was exported from, or convert it with onnx2tf'
PYTORCH = 'a PyTorch file: this project takes frozen TensorFlow graphs only'
ARCHIVE = 'an archive: unpack it and name the .pb file in it'
LFS = 'a Git LFS pointer instead of the file: run git lfs pull'
WEB_PAGE = 'a web page instead of the downloaded file: download it again'

SIGNATURES = (
    (0, b'\x89HDF\r\n\x1a\n', KERAS),  # https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html
    (4, b'TFL3', LITE),  # file_identifier in tensorflow/lite/schema/schema.fbs
    (0, b'version https://git-lfs', LFS),
    (0, b'\x1f\x8b', ARCHIVE),
    (0, b'BZh', ARCHIVE),
    (0, b'\xfd7zXZ', ARCHIVE),
    (257, b'ustar', ARCHIVE),
    # kTableMagicNumber in tensorflow/core/lib/io/format.h, at the end of the file
    (-8, b'\x57\xfb\x80\x8b\x24\x75\x47\xdb', CHECKPOINT),
    (0, b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.', PYTORCH),  # torch.serialization.MAGIC_NUMBER
)


def kind_of_folder(folder: Path) -> str:
    """What a folder is and what the user can do, as the end of a sentence."""
    names = {path.name for path in folder.iterdir()}
    if names & {'saved_model.pb', 'saved_model.pbtxt'}:
        return SAVED_MODEL
    if 'checkpoint' in names or any(name.endswith('.index') for name in names):
        return CHECKPOINT
    return 'a folder: name the .pb file in it'


def kind_of_file(path: Path, data: bytes) -> str | None:
    """What a file is and what the user can do, as the end of a sentence; None if the kind is unknown."""
    for offset, magic, kind in SIGNATURES:
        if data[offset:][: len(magic)] == magic:
            return kind
    if data.startswith(b'PK\x03\x04'):
        return _kind_of_zip(data)
    if '.data-0' in path.name and path.with_name(path.name.partition('.data-0')[0] + '.index').exists():
        return CHECKPOINT
    return _kind_of_text(data) or _kind_of_message(path, data)


def _kind_of_zip(data: bytes) -> str:
    if b'model.weights.h5' in data and b'config.json' in data:
        return KERAS
    return PYTORCH if b'data.pkl' in data else ARCHIVE


def _kind_of_text(data: bytes) -> str | None:
    try:
        start = data[:4096].decode('utf-8', 'strict' if len(data) <= 4096 else 'ignore').lstrip()
    except UnicodeDecodeError:
        return None
    if re.match(r'<(!doctype|html|head|\?xml)', start, re.IGNORECASE):
        return WEB_PAGE
    if start.startswith('model_checkpoint_path:'):
        return CHECKPOINT
    if re.match(
        r'(#.*\s+)*(node|library|versions|meta_info_def|graph_def|saved_model_schema_version)\s*[:{]', start
    ):
        return SAVED_MODEL if start.startswith('saved_model_schema_version') else TEXT_GRAPH
    return None


def _kind_of_message(path: Path, data: bytes) -> str | None:
    """The kind of a protobuf message. A SavedModel begins with its version (field 1) and a MetaGraphDef
    (field 2); an ONNX model begins with its version and a text."""
    if _holds_graph(data):
        return META_GRAPH
    if data[:1] == b'\x08' and data[2:3] == b'\x12' and _holds_graph(_first_field(data[3:])):
        return SAVED_MODEL
    return ONNX if path.suffix == '.onnx' or (data[:1] == b'\x08' and b'onnx' in data[:64]) else None


def _first_field(data: bytes) -> bytes:
    """The bytes of a length-delimited field; the length is a protobuf varint
    (https://protobuf.dev/programming-guides/encoding/#varints)."""
    length = place = 0
    while place < min(len(data), 9):
        length |= (data[place] & 0x7F) << 7 * place
        place += 1
        if data[place - 1] < 0x80:
            break
    return data[place : place + length]


def _holds_graph(data: bytes) -> bool:
    meta_graph = tf.MetaGraphDef()
    try:
        meta_graph.ParseFromString(data)
    except Exception:  # protobuf's DecodeError, which versions of protobuf keep in different modules
        return False
    return any(node.name and node.op for node in meta_graph.graph_def.node)
