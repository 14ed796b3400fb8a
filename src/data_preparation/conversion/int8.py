"""The int8 backbones of some records: .tflite models beside them, which LiteRT runs.

A backbone is converted once, before the first bottleneck is computed, and the manifest has the SHA-256 of the
model. All bottlenecks come from the very same file, also those of a conversion that goes on later or on other
machines, and `freeze` ships it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from src.common import files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.paths import MANIFEST
from src.common.progress import say
from src.data_preparation.conversion.calibration import pixels_of
from src.data_preparation.samples import shown
from src.graph.backbones import Backbone
from src.graph.joined.facts import Facts, int8_of, members, name_of, with_int8
from src.graph.joined.join import parts_for
from src.graph.lite.backbones import int8_backbone
from src.graph.lite.package import SUFFIX
from src.graph.preprocessing.pictures import pictures_in


class Store(Protocol):
    """The folder of some records, on a local disk or elsewhere. A file in it is complete or missing."""

    place: Any  # prints as the name of the folder

    def sha256(self, name: str) -> str | None:
        """Of a file; None when it is missing."""

    def write(self, name: str, data: bytes) -> None: ...

    def read_json(self, name: str) -> Any: ...

    def write_json(self, name: str, value: Any) -> None: ...


@dataclass(frozen=True)
class LocalStore:
    place: Path

    def sha256(self, name: str) -> str | None:
        return files.sha256(self.place / name) if (self.place / name).exists() else None

    def write(self, name: str, data: bytes) -> None:
        with files.atomic(self.place / name, 'wb') as stream:
            stream.write(data)

    def read_json(self, name: str) -> Any:
        return files.read_json(self.place / name)

    def write_json(self, name: str, value: Any) -> None:
        files.write_json(self.place / name, value)


def prepared(
    manifest: dict, store: Store, load: Callable[[], Backbone], pictures: Callable[[], Iterable[bytes]]
) -> dict:
    """The manifest of a conversion with the int8 models of its backbones. New ones are noted in `store` too,
    before anything is computed by them. Takes and raises what `with_models` does."""
    held = store.read_json(MANIFEST)
    known = int8_of(held['backbone'])
    facts = with_models(manifest['backbone'], known, load, store, pictures)
    if int8_of(facts) != known:
        store.write_json(MANIFEST, held | {'backbone': facts})
    return manifest | {'backbone': facts}


def with_models(
    facts: Facts,
    known: Mapping[str, Facts],
    load: Callable[[], Backbone],
    store: Store,
    pictures: Callable[[], Iterable[bytes]],
) -> dict[str, Any]:
    """The facts of a backbone, or of several, with their int8 models, which are made and written to `store`
    unless they are there.

    known: models that were made before (`facts.int8_of`).
    load: loads the backbones of the facts.
    pictures: encoded photos to calibrate on, in this order.

    Raises UserError without photos, for an op that the converter does not know, and when a model that
    computed some bottlenecks is missing or has changed, and cannot be made again.
    """
    wanted = [one['sha256'] for one in members(facts)]
    held = {sha256: known[sha256] for sha256 in wanted if sha256 in known}
    good = {sha256 for sha256, model in held.items() if store.sha256(model['file']) == model['sha256']}
    if len(good) < len(wanted):
        held |= _made(facts, held, good, load(), store, pictures())
    return with_int8(facts, held)


def _made(
    facts: Facts,
    known: Mapping[str, Facts],
    good: set[str],
    backbone: Backbone,
    store: Store,
    pictures: Iterable[bytes],
) -> dict[str, Facts]:
    """Make and write the models that are not `good`. Returns what is said of them."""
    pixels = pixels_of(backbone, pictures)
    if not pixels:
        raise UserError(
            f'int8 is calibrated on training photos, and {shown(store.place)} will hold none: use '
            '--precision float32'
        )
    made = {}
    parts = zip(members(facts), backbone.joined or [backbone], parts_for(backbone), strict=True)
    for one, network, part in parts:
        if one['sha256'] in good:
            continue
        say(f'{paths.shown(network.path)}: converting to int8, calibrated on {count(len(pixels), "photo")}')
        own = [pictures_in(rows[None], backbone.preprocessing)[part][0] for rows in pixels]
        model = int8_backbone(network, own)
        sha256 = hashlib.sha256(model).hexdigest()
        before = known.get(one['sha256'], {})
        name = before.get('file', name_of(one) + SUFFIX)
        if before and before['sha256'] != sha256:
            raise UserError(
                f'{name} in {shown(store.place)} is missing or has changed, and bottlenecks were computed by '
                'it: put the old file back, or convert again with --overwrite'
            )
        store.write(name, model)
        made[one['sha256']] = {'file': name, 'sha256': sha256, 'photos': len(pixels)}
    return made


def models_of(facts: Facts | None, folder: Path) -> list[Path]:
    """The int8 models of the backbones in `facts`, in order; none where they compute otherwise."""
    return [folder / model['file'] for model in int8_of(facts).values()]
