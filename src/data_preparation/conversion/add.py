"""Add bottlenecks to records that stand: those of further backbones, or of the mirrored pictures.

They are computed from the pictures in the records; what is there already is kept. Shard by shard, a new file
is written beside the old one and takes its place. Until all are done the manifest stays as it was, so that
the records can be used meanwhile, and after a stop. `adding.json` in their folder says what is being added,
and which shards have it. The same call goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from src.common import consts, files, paths
from src.common.files import count
from src.common.locks import at_work
from src.common.paths import MANIFEST
from src.common.progress import progress, say
from src.common.shapes import Count
from src.data_preparation.conversion.bottlenecks import BOTH, PLAIN, Extractor, computed
from src.data_preparation.conversion.calibration import recorded
from src.data_preparation.conversion.int8 import LocalStore, models_of, with_models, write_models
from src.data_preparation.conversion.job import with_bottlenecks_of, write_skipped
from src.data_preparation.conversion.shards import note_name
from src.graph.backbones import Backbone
from src.graph.joined import facts
from src.graph.joined.join import decoding_as, join_backbones
from src.graph.joined.load import backbone_of
from src.graph.precision import INT8
from src.images.faults import BadImage, or_fault
from src.records import dataset
from src.records.dataset import Records
from src.records.example import fields_of, id_and_image, read_shard, with_bottlenecks, write_shard
from src.records.fields import MIRRORED, encoded_image
from src.records.manifest import UNIFORM, Remark, ShardNote

ADDING = 'adding.json'


class Done(TypedDict):
    """What `_rewrite` returns of a shard."""

    records: Count
    remarks: list[Remark]


class Adding(TypedDict, total=False):
    """The shape of `adding.json`."""

    done: dict[str, Done]
    int8: dict[str, dict]


def add_bottlenecks(records: Records, backbones: Sequence[Backbone] = (), mirrored: bool = False) -> Records:
    """Add the bottlenecks of further `backbones` to records, and with `mirrored` those of the mirrored
    pictures, of all backbones, unless they are there. Returns the records with all.

    Goes on where an earlier call stopped. Raises UserError for records without a backbone, and for a damaged
    shard.
    """
    records.width  # noqa: B018  (raises for records without a backbone)
    with at_work(records.folder):
        if further := _not_held(records, backbones):
            records = _add(records, _further(records, further))
        if mirrored and not records.mirrored:
            records = _add(records, _mirrored(records))
    return records


@dataclass(frozen=True)
class _Addition:
    """What is added: the backbone, or several joined, with the facts that name their fields; `ends` of these
    fields, as for `Extractor`; and the manifest with them."""

    backbone: Backbone
    facts: dict
    ends: Sequence[str]
    manifest: dict

    @property
    def fields(self) -> list[str]:
        return [field + end for end in self.ends for field in facts.widths_of(self.facts)]

    @property
    def target(self) -> dict:
        """What `adding.json` knows it by."""
        return {'fingerprint': self.manifest['fingerprint'], 'fields': self.fields}


def _not_held(records: Records, backbones: Sequence[Backbone]) -> list[Backbone]:
    """The backbones whose bottlenecks are not in the records."""
    held = {one['sha256'] for one in facts.members(records.manifest['backbone'])}
    for backbone in backbones:
        if backbone.sha256 in held:
            say(f'{paths.shown(records.folder)} holds bottlenecks of {paths.shown(backbone.path)} already')
    return [backbone for backbone in backbones if backbone.sha256 not in held]


def _further(records: Records, backbones: Sequence[Backbone]) -> _Addition:
    held = facts.members(records.manifest['backbone'])
    first = backbone_of(held[0])
    joined = join_backbones([decoding_as(first, backbone) for backbone in backbones])
    added = facts.with_fields(facts.joined([backbone.facts() for backbone in backbones]), held)
    whole = facts.joined([*held, *facts.members(added)])
    manifest = with_bottlenecks_of(records.manifest, whole, records.mirrored)
    return _Addition(joined, added, BOTH if records.mirrored else PLAIN, manifest)


def _mirrored(records: Records) -> _Addition:
    held = records.manifest['backbone']
    manifest = with_bottlenecks_of(records.manifest, held, mirrored=True)
    return _Addition(backbone_of(held), held, (MIRRORED,), manifest)


def _with_models(records: Records, addition: _Addition) -> _Addition:
    """The addition with int8 models. New ones are noted in `adding.json`, before anything is computed by
    them."""
    begun = _begun(records, addition)
    known = facts.int8_of(records.manifest['backbone']) | begun.get(facts.INT8, {})
    store = LocalStore(records.folder)
    added, models = with_models(
        addition.facts, known, store, lambda: addition.backbone, lambda: recorded(records)
    )
    noted = {'done': begun.get('done', {}), facts.INT8: facts.int8_of(added)}
    files.write_json(records.folder / ADDING, addition.target | noted)
    write_models(models, store)
    whole = facts.with_int8(addition.manifest['backbone'], known | facts.int8_of(added))
    return replace(addition, facts=added, manifest=addition.manifest | {'backbone': whole})


def _add(records: Records, addition: _Addition) -> Records:
    """Write all shards that lack the fields, then the manifest."""
    folder, precision = records.folder, records.manifest['precision']
    for leftover in folder.glob('.*.tmp'):  # of a run that was killed
        leftover.unlink(missing_ok=True)
    if precision == INT8:
        addition = _with_models(records, addition)
    models = models_of(addition.facts, folder)
    done, total = _done(records, addition), sum(records.counts.values())
    finished = sum(notes['records'] for notes in done.values())
    if finished:
        say(f'going on after {count(finished, "photo")} of {total:,}')
    with (
        Extractor(
            addition.backbone, precision, addition.ends, facts.widths_of(addition.facts), models
        ) as extractor,
        progress(total, f'{addition.backbone.name} bottlenecks', 'photos', done=finished) as bar,
    ):
        for name in records.manifest['shards']:
            if name not in done:
                done[name] = _rewrite(records, addition, name, extractor, bar.update)
                noted = {'done': done, facts.INT8: facts.int8_of(addition.facts)}
                files.write_json(folder / ADDING, addition.target | noted)
    manifest = _without_skipped(addition.manifest, done)
    files.write_json(folder / MANIFEST, manifest)
    (folder / ADDING).unlink(missing_ok=True)
    write_skipped(manifest)
    return replace(records, manifest=manifest)


def _done(records: Records, addition: _Addition) -> dict[str, dict]:
    """The notes on the shards that an earlier, stopped call has finished."""
    done = _begun(records, addition).get('done', {})
    return {name: notes for name, notes in done.items() if _has(records.folder / name, addition)}


def _begun(records: Records, addition: _Addition) -> dict:
    """What `adding.json` says of this addition; {} when it has not begun."""
    begun = files.read_notes(records.folder / ADDING, Adding)
    return begun if all(begun.get(key) == value for key, value in addition.target.items()) else {}


def _has(shard: Path, addition: _Addition) -> bool:
    """Whether the records of a shard have the fields; one that was deleted was perhaps written anew."""
    try:
        first = next(read_shard(shard), None)
    except dataset.damages():
        return False
    return first is None or set(addition.fields) <= fields_of(first)


def _rewrite(
    records: Records, addition: _Addition, name: str, extractor: Extractor, photo_done: Callable[[], object]
) -> dict:
    """Write a shard anew with the fields. Returns notes on it: the number of records, and remarks on those
    that were left out, as their bottlenecks cannot be computed."""
    shard, remarks, held = records.folder / name, [], records.bottlenecks(records.mirrored).columns

    def load(example: bytes) -> tuple[bytes, np.ndarray | BadImage]:
        return example, or_fault(extractor.reader.read, id_and_image(example)[1])

    def examples() -> Iterator[bytes]:
        for (example, _), vector in computed(read_shard(shard), load, extractor):
            photo_done()
            if isinstance(vector, BadImage):
                outcome = UNIFORM if name.startswith(f'{consts.UNLABELLED}-') else 'skipped'
                remarks.append(asdict(Remark(id_and_image(example)[0], outcome, str(vector))))
            else:
                yield with_bottlenecks(example, extractor.by_field(vector), held)

    try:
        with files.atomic_path(shard) as part:
            number = write_shard(part, examples())
    except dataset.damages() as error:
        raise dataset.damage(records, [shard], {consts.ID_FIELD: encoded_image()}) from error
    if remarks:
        note = files.read_notes(records.folder / note_name(name), ShardNote)
        note |= {'records': number, 'remarks': [*note.get('remarks', ()), *remarks]}
        files.write_json(records.folder / note_name(name), note)
    return {'records': number, 'remarks': remarks}


def _without_skipped(manifest: dict, done: dict[str, dict]) -> dict:
    """The manifest without the records that were left out."""
    counts, remarks = Counter(manifest['counts']), list(manifest.get('remarks', ()))
    for name, notes in done.items():
        counts[name.partition('-')[0]] -= len(notes['remarks'])
        remarks.extend(notes['remarks'])
    return manifest | {
        'counts': {split: number for split, number in counts.items() if number},
        'remarks': remarks,
    }
