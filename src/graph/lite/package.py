"""A .tflite file that explains itself: the model, with `labels.txt` and `model_info.json` in a zip behind it.

    unzip -l frozen/pocket_dogs.tflite

TensorFlow Lite's own metadata packs its associated files the same way, so that other tools find the labels
(https://ai.google.dev/edge/litert/models/metadata). LiteRT ignores what follows the model. This module does
not import TensorFlow.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from src.common import files, paths
from src.common.errors import UserError, first_line
from src.common.shapes import fault_of
from src.graph.model_info import ModelInfo, labels_in

SUFFIX = '.tflite'
LABELS, INFO = 'labels.txt', 'model_info.json'
PREPROCESSING = 'preprocessing'  # in `model_info`: the steps of steps.py
LITE = 'lite'  # in `model_info`: what is known of the .tflite file itself
MODEL_SHA256 = 'model_sha256'  # in `lite`: of the bytes before the zip
IDENTIFIER = b'TFL3'  # bytes 4 to 8 of every .tflite file
MADE = (1980, 1, 1, 0, 0, 0)  # the date of all entries: the same model gives the same bytes
MOST_FACTS = 50_000_000  # bytes of an entry
END_BYTES = 1 << 20  # of a damaged file, which hold its facts
_FACTS_BEGIN = re.compile(
    b'PK\3\4.{26}(?:%s|%s)' % (re.escape(LABELS.encode()), re.escape(INFO.encode())), re.DOTALL
)


class Package(NamedTuple):
    """The facts in a .tflite file: class names in output order, and `model_info`; both empty without a zip.

    `model_info` is that of the frozen graph (graph/model_info.py), with `preprocessing` (steps.py) and
    `lite`: the precision, and the SHA-256 of the model and of the frozen graph that it was made from.
    """

    path: Path
    labels: list[str]
    info: dict[str, Any]

    def made_from(self, digest: str) -> bool:
        """Whether it was made from the frozen graph with this SHA-256."""
        return _of_lite(self.info).get('graph_sha256') == digest

    @property
    def precision(self) -> str | None:
        """The precision of the model; None if the file does not say so."""
        return _of_lite(self.info).get('precision')


def packed(model: bytes, labels: Sequence[str], info: dict[str, Any]) -> bytes:
    """A .tflite model with its facts, and the SHA-256 of the model among these."""
    digest = hashlib.sha256(model).hexdigest()
    info = info | {LITE: info.get(LITE, {}) | {MODEL_SHA256: digest}}
    behind = io.BytesIO(model)
    with zipfile.ZipFile(behind, 'a') as archive:
        for name, text in {
            LABELS: ''.join(f'{label}\n' for label in labels),
            INFO: json.dumps(info, ensure_ascii=False, indent=1),
        }.items():
            archive.writestr(zipfile.ZipInfo(name, MADE), text.encode())
    return behind.getvalue()


def write_package(path: Path, model: bytes, labels: Sequence[str], info: dict[str, Any]) -> Path:
    """Write a .tflite model with its facts, atomically."""
    with files.atomic(path, 'wb') as stream:
        stream.write(packed(model, labels, info))
    return path


def write_part(path: Path, model: bytes, labels: Sequence[str], info: dict[str, Any]) -> None:
    """Write a .tflite model with its facts to the temporary path of `files.atomic_path`."""
    path.write_bytes(packed(model, labels, info))
    files.flush_to_disk(path)


def read_package(path: Path) -> Package:
    """The facts in a .tflite file; the labels may be in a file beside it instead (NAME.txt beside
    NAME.tflite, one class a line in output order).

    Raises UserError when the file cannot be read, is no .tflite file, or its facts are damaged. The model
    itself is not read.
    """
    path = Path(path)
    try:
        with path.open('rb') as stream:
            start = stream.read(8)
            if start[4:] != IDENTIFIER:
                raise UserError(f'{paths.shown(path)} is not a .tflite model, or damaged')
            labels, info, _ = _facts(path, stream)
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(path)}: {error.strerror or error}') from error
    beside = path.with_suffix('.txt')
    return Package(path, labels or (labels_in(beside) if beside.exists() else []), info)


def read_model(path: Path) -> tuple[bytes, bool]:
    """The content of a .tflite file, for LiteRT, which crashes on some damaged models; and whether the
    SHA-256 in its facts says that it is not damaged.

    Raises UserError when the file cannot be read, its facts are damaged, or its model is not the one whose
    SHA-256 they have. Files of other makers have none.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(path)}: {error.strerror or error}') from error
    _, info, size = _facts(path, io.BytesIO(content))
    noted = _of_lite(info).get(MODEL_SHA256)
    if noted is not None and hashlib.sha256(memoryview(content)[:size]).hexdigest() != noted:
        raise UserError(f'{paths.shown(path)} is damaged: export it again')
    return content, noted is not None


def _of_lite(info: dict[str, Any]) -> dict[str, Any]:
    facts = info.get(LITE)
    return facts if isinstance(facts, dict) else {}


def _facts(path: Path, stream: IO[bytes]) -> tuple[list[str], dict[str, Any], int | None]:
    """The labels and `model_info` in a file, and the size of the model before them; None without a zip."""
    try:
        if not zipfile.is_zipfile(stream):
            if _begins_facts(stream):
                raise ValueError('its end is missing')
            return [], {}, None
        with zipfile.ZipFile(stream) as archive:
            texts = {name: _text(archive, name) for name in (LABELS, INFO) if name in archive.namelist()}
            size = min((entry.header_offset for entry in archive.infolist()), default=None)
        info = json.loads(texts.get(INFO, '{}'))
    except Exception as error:  # damaged zips make `zipfile` and its decompressors raise nearly every type
        raise UserError(f'{paths.shown(path)} is damaged: {first_line(error)}') from error
    if fault := fault_of(info, ModelInfo):
        raise UserError(f'{paths.shown(path)} is damaged: in its {INFO} {fault}; export it again')
    lines = (line.strip() for line in texts.get(LABELS, '').splitlines())
    return [line for line in lines if line], info, size


def _begins_facts(stream: IO[bytes]) -> bool:
    """Whether a zip with facts begins near the end of a file, which does not end as a zip does."""
    stream.seek(max(0, stream.seek(0, io.SEEK_END) - END_BYTES))
    return _FACTS_BEGIN.search(stream.read()) is not None


def _text(archive: zipfile.ZipFile, name: str) -> str:
    if archive.getinfo(name).file_size > MOST_FACTS:
        raise ValueError(f'{name} has more than {MOST_FACTS:,} bytes')
    return archive.read(name).decode()
