"""The facts of one backbone, or of several that are joined (`Backbone.facts`): what a manifest, a model.json
and `model_info` say of it.

Those of several are {'file': 'a.pb + b.pb', 'sha256': of theirs, 'width': the sum, 'joined': [the facts of
each]}. `field` in the facts of one names its field of the records; without it that is `inception_output`.
`int8` in the facts of one is the .tflite model that computed its bottlenecks: {'file': beside the records,
'sha256': of it, 'photos': that it was calibrated on}.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, TypedDict

from src.common import consts
from src.common.errors import UserError
from src.common.shapes import Count
from src.graph.lite.package import SUFFIX

Facts = Mapping[str, Any]
INT8 = 'int8'
_NO_IDENTITY = ('file', 'path', INT8)  # files may be moved, and the model follows from the rest


class ChangeNotes(TypedDict, total=False):
    """`changes` in the facts of one backbone (`backbone_flags.Changes.facts`)."""

    input_size: list[Count]
    set: dict[str, Any]
    inference_mode: bool


class BackboneNotes(TypedDict, total=False):
    """The shape of the facts (`common.shapes`), also of those in files of earlier versions."""

    file: str
    path: str
    sha256: str
    bottleneck: str
    width: Count
    input_size: list[Count] | None
    pixel_range: list[float] | None
    changes: ChangeNotes
    field: str
    joined: list[OneBackbone]


class OneBackbone(BackboneNotes):
    """What the facts of one backbone must say."""

    file: str
    sha256: str
    width: Count


class JoinedBackbones(OneBackbone):
    """What the facts of several must say."""

    joined: list[OneBackbone]


def members(facts: Facts | None) -> list[dict[str, Any]]:
    """The facts of each backbone."""
    if not facts:
        return []
    return [dict(one) for one in facts.get('joined', [facts])]


def joined(facts: Sequence[Facts]) -> dict[str, Any]:
    """The facts of these backbones together; of a single one they are its own."""
    if len(facts) == 1:
        return dict(facts[0])
    return {
        'file': ' + '.join(one['file'] for one in facts),
        'sha256': hashlib.sha256('\n'.join(one['sha256'] for one in facts).encode()).hexdigest(),
        'width': sum(one['width'] for one in facts),
        'joined': [dict(one) for one in facts],
    }


def with_fields(facts: Facts, held: Iterable[Facts] = ()) -> dict[str, Any]:
    """The facts with a field of the records for each backbone, beside those `held` by the records. The first
    one in the records has `inception_output`, which is not named."""
    taken = {field for one in held for field in (field_of(one), _named(name_of(one)))}
    made = []
    for one in members(facts):
        # The first one takes its name too, so that no other has the same for --backbones.
        field = _free(_stem(one['file']), taken) if taken else _named(_stem(one['file']))
        made.append(one | ({'field': field} if taken else {}))
        taken.add(field)
    return joined(made)


def field_of(facts: Facts) -> str:
    """The field of the records that holds the bottlenecks of one backbone."""
    return facts.get('field', consts.INCEPTION_OUTPUT_FIELD)


def name_of(facts: Facts) -> str:
    """The name of one backbone among those of some records, for --backbones: its file's, made unique."""
    return facts.get('field', '').partition('/')[2] or _stem(facts['file'])


def widths_of(facts: Facts) -> dict[str, int]:
    """The width of each backbone's bottleneck by its field, in order."""
    return {field_of(one): one['width'] for one in members(facts)}


def without_places(facts: Facts) -> dict[str, Any]:
    """The facts without names and places of files, which may be moved, and without the int8 model."""
    return {key: value for key, value in facts.items() if key not in _NO_IDENTITY}


def without_path(facts: Facts) -> dict[str, Any]:
    """The facts of one backbone without the place of its file on this machine."""
    return {key: value for key, value in facts.items() if key != 'path'}


def int8_of(facts: Facts | None) -> dict[str, Facts]:
    """What is said of the int8 model of each backbone that has one, by the SHA-256 of the backbone.

    Raises UserError when its `file` is not the name of a file beside the records, as in a manifest that was
    changed by hand.
    """
    models = {one['sha256']: one[INT8] for one in members(facts) if INT8 in one}
    require_names(models.values())
    return models


def require_names(models: Iterable[Facts]) -> None:
    """Raise UserError unless the `file` of each int8 model is the name of a .tflite file, on every system."""
    for model in models:
        file = model.get('file') if isinstance(model, Mapping) else None
        named = isinstance(file, str) and file.isprintable() and file.endswith(SUFFIX)
        if not named or file != PurePosixPath(file).name or file != PureWindowsPath(file).name:
            raise UserError(
                f'an int8 backbone is said to be in {str(file)[:200]!r}, which is not the name of a .tflite '
                'file beside the records: the manifest is damaged, so repeat the conversion with --overwrite'
            )


def with_int8(facts: Facts, models: Mapping[str, Facts]) -> dict[str, Any]:
    """The facts with the int8 models of the backbones, as `int8_of` gives them."""
    of = [{INT8: dict(models[one['sha256']])} if one['sha256'] in models else {} for one in members(facts)]
    return joined([one | noted for one, noted in zip(members(facts), of, strict=True)])


def chained(fingerprint: str, further: Sequence[Facts]) -> list[str]:
    """Fingerprints of records: the given one, of records with the first backbone, and the one after each of
    the further backbones. So it is the same whether they were converted together or added later."""
    chain = [fingerprint]
    for one in further:
        identity = json.dumps([chain[-1], without_places(one)], sort_keys=True)
        chain.append(hashlib.sha256(identity.encode()).hexdigest())
    return chain


def _stem(file: str) -> str:
    """The name of a file or URL without folder and .pb, as a part of a field's name."""
    name = PureWindowsPath(PurePosixPath(file).name).name.removesuffix('.pb')
    return name.replace('~', '-').replace('/', '-') or 'backbone'


def _free(name: str, taken: set[str]) -> str:
    """The field `inception_output/<name>`, with a number after the name if it is taken."""
    numbered = (name if number == 1 else f'{name}_{number}' for number in range(1, len(taken) + 2))
    return next(field for field in map(_named, numbered) if field not in taken)


def _named(name: str) -> str:
    return f'{consts.INCEPTION_OUTPUT_FIELD}/{name}'
