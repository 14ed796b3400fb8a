"""The int8 backbones of some records: .tflite models beside them, which LiteRT runs.

A backbone is converted once, before the first bottleneck is computed, and the manifest has the SHA-256 of the
model. All bottlenecks come from the very same file, also those of a conversion that goes on later or on other
machines, and `freeze` ships it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from src.common import files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.paths import MANIFEST
from src.common.progress import say
from src.data_preparation.conversion.calibration import pixels_of
from src.data_preparation.conversion.job import require_same
from src.data_preparation.samples import shown
from src.graph.backbones import Backbone
from src.graph.joined.facts import Facts, int8_of, members, name_of, require_names, with_int8
from src.graph.joined.join import parts_for
from src.graph.lite.backbones import int8_backbone
from src.graph.lite.package import SUFFIX
from src.graph.preprocessing.pictures import pictures_in
from src.records.manifest import REMEDY, BegunManifest


class Store(Protocol):
    """The folder of some records, on a local disk or elsewhere. A file in it is complete or missing."""

    place: Any  # prints as the name of the folder

    def sha256(self, name: str) -> str | None:
        """Of a file; None when it is missing."""

    def read_json(self, name: str, kind: Any, remedy: str) -> Any: ...

    def write(self, name: str, data: bytes) -> None: ...


@dataclass(frozen=True)
class LocalStore:
    place: Path

    def sha256(self, name: str) -> str | None:
        return files.sha256(self.place / name) if (self.place / name).exists() else None

    def read_json(self, name: str, kind: Any, remedy: str) -> Any:
        return files.read_json(self.place / name, kind, remedy)

    def write(self, name: str, data: bytes) -> None:
        with files.atomic(self.place / name, 'wb') as stream:
            stream.write(data)


Models = dict[str, bytes]  # content of files by their names


def prepared(
    manifest: dict,
    overwrite: bool,
    store: Store,
    load: Callable[[], Backbone],
    pictures: Callable[[], Iterable[bytes]],
) -> tuple[dict, Models]:
    """The manifest of a conversion with the int8 models of its backbones, and those that are to be written to
    `store` once the folder is claimed. Nothing is changed before.

    Takes and raises what `with_models` does, and raises what `job.require_same` does.
    """
    known: Mapping[str, Facts] = {}
    if not overwrite and store.sha256(MANIFEST):
        held = store.read_json(MANIFEST, BegunManifest, REMEDY)
        require_same(held, manifest, store.place)
        known = int8_of(held['backbone'])
    facts, models = with_models(manifest['backbone'], known, store, load, pictures)
    return manifest | {'backbone': facts}, models


def with_models(
    facts: Facts,
    known: Mapping[str, Facts],
    store: Store,
    load: Callable[[], Backbone],
    pictures: Callable[[], Iterable[bytes]],
) -> tuple[dict[str, Any], Models]:
    """The facts of a backbone, or of several, with their int8 models, and those that are not in `store` yet.

    known: models that were made before (`facts.int8_of`).
    load: loads the backbones of the facts.
    pictures: encoded photos to calibrate on, in this order.

    Raises UserError without photos, for an op that the converter does not know, and for a model that was
    made before if it is missing or has changed and cannot be made again, or is not beside the records.
    """
    require_names(known.values())
    wanted = [one['sha256'] for one in members(facts)]
    held = {sha256: known[sha256] for sha256 in wanted if sha256 in known}
    good = {sha256 for sha256, model in held.items() if store.sha256(model['file']) == model['sha256']}
    models: Models = {}
    if len(good) < len(wanted):
        backbone = load()
        pixels = _pixels(backbone, pictures(), store)
        parts = zip(members(facts), backbone.joined or [backbone], parts_for(backbone), strict=True)
        for one, network, part in parts:
            if one['sha256'] not in good:
                own = [pictures_in(rows[None], backbone.preprocessing)[part][0] for rows in pixels]
                noted, data = _made(one, network, own)
                if one['sha256'] in held and held[one['sha256']]['sha256'] != noted['sha256']:
                    raise _not_the_same(held[one['sha256']]['file'], store)
                held.setdefault(one['sha256'], noted)
                models[held[one['sha256']]['file']] = data
    return with_int8(facts, held), models


def _pixels(backbone: Backbone, pictures: Iterable[bytes], store: Store) -> list[np.ndarray]:
    pixels = pixels_of(backbone, pictures)
    if not pixels:
        raise UserError(
            f'int8 is calibrated on training photos, and there are none for {shown(store.place)}: use '
            '--precision float32'
        )
    return pixels


def _made(facts: Facts, backbone: Backbone, pixels: Sequence[np.ndarray]) -> tuple[Facts, bytes]:
    """The int8 model of one backbone, and what is said of it."""
    say(f'{paths.shown(backbone.path)}: converting to int8, calibrated on {count(len(pixels), "photo")}')
    model = int8_backbone(backbone, pixels)
    sha256 = hashlib.sha256(model).hexdigest()
    return {'file': name_of(facts) + SUFFIX, 'sha256': sha256, 'photos': len(pixels)}, model


def _not_the_same(name: str, store: Store) -> UserError:
    return UserError(
        f'{name} in {shown(store.place)} is missing or has changed, and bottlenecks were computed by it: put '
        'the old file back, or convert again with --overwrite'
    )


def write_models(models: Models, store: Store) -> None:
    for name, data in models.items():
        store.write(name, data)


def models_of(facts: Facts | None, folder: Path) -> list[Path]:
    """The int8 models of the backbones in `facts`, in order; none where they compute otherwise."""
    return [folder / model['file'] for model in int8_of(facts).values()]
