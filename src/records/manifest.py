"""The manifest of a records folder, `manifest.json`: what the records are and where they came from.

| key           | what                                                                             |
|---------------|----------------------------------------------------------------------------------|
| format        | `FORMAT`                                                                         |
| name          | the data set                                                                     |
| source        | folder or archive of the photos, relative to `paths.ROOT` below it, or a URL     |
| classes       | class names in the order of the one-hot labels                                   |
| backbone      | facts of the backbone (`Backbone.facts`), null for records without bottlenecks;  |
|               | of several: `joined` holds the facts of each, with `field`, its field of records |
| mirrored      | whether there are bottlenecks of the mirrored pictures; missing: no              |
| precision     | what the backbone computed in: 'float32', 'bfloat16' or 'int8' (by LiteRT: the   |
|               | facts of each backbone name its model); null without a backbone                  |
| split_by      | what decided the splits: 'hash', 'official', 'test list', 'test batch' or 'draw' |
| crop_to_box   | whether photos were cropped to their bounding boxes                              |
| copies        | kinds of augmented copies of the training photos                                 |
| shard_size    | about how many records a shard holds                                             |
| converter     | module name of the converter; missing in the files of early versions             |
| class_folders | its --class-folders, where given                                                 |
| draw          | photos of each class drawn for each split (numbers or shares), and the seed      |
| review        | of --review: its file, SHA-256, and photos dropped, relabeled and kept by it     |
| fingerprint   | SHA-256 of everything that the records depend on                                 |
| earlier       | fingerprints of the same records with fewer backbones, if there are several      |
| complete      | false while the conversion is running; the keys below are there once it is true  |
| counts        | records in each split that has any                                               |
| untrained     | classes without a training photo                                                 |
| shards        | file names                                                                       |
| remarks       | a `Remark` for each file that was skipped, or used in part                       |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from src.common import consts, files, paths
from src.common.shapes import Count
from src.graph.joined.facts import BackboneNotes, JoinedBackbones, OneBackbone

REMEDY = 'repeat the conversion with --overwrite'
FORMAT = 2  # 1 filled the shards in the order of all hashes
ALL_SPLITS = (*consts.SPLITS, consts.UNLABELLED)  # in the order of `counts` and `shards`

NOT_USED = 'not used'  # files and folders that belong to no class
# For an unlabeled photo that cannot be read: Kaggle refuses a submission without it.
UNIFORM = 'given uniform probabilities'
_EARLIER_OUTCOMES = {'given even odds': UNIFORM}  # as earlier versions wrote them


@dataclass(frozen=True)
class Remark:
    """A file with a fault, what was done about it, and why."""

    file: str
    outcome: str  # 'skipped', 'kept', NOT_USED or UNIFORM
    reason: str


class Manifest(TypedDict, total=False):
    """The shape of a manifest (`common.shapes`); those of early versions lack some keys."""

    name: str
    source: str | None
    classes: list[str]
    backbone: BackboneNotes | None
    mirrored: bool
    precision: str | None
    split_by: str
    crop_to_box: bool
    copies: list[str]
    shard_size: Count
    converter: str
    class_folders: str | None
    review: dict[str, Any] | None
    fingerprint: str
    earlier: list[str]
    complete: bool
    counts: dict[str, Count]
    untrained: list[str]
    shards: list[str]
    remarks: list[Remark]


class BegunManifest(Manifest):
    """What the manifest of a conversion that has begun must say."""

    name: str
    classes: list[str]
    backbone: OneBackbone | JoinedBackbones | None
    precision: str | None
    fingerprint: str


class CompleteManifest(BegunManifest):
    """What the manifest of complete records must say."""

    counts: dict[str, Count]
    shards: list[str]


class ShardNote(TypedDict):
    """The note on a shard (`conversion.shards.write_records`)."""

    records: Count
    labels: list[str]
    remarks: list[Remark]


def remarks_of(notes: dict) -> list[dict]:
    """The remarks in a manifest or in the note on a shard, each as a dict of `Remark`'s fields; outcomes that
    earlier versions wrote get their present names."""
    return [
        remark | {'outcome': _EARLIER_OUTCOMES.get(remark['outcome'], remark['outcome'])}
        for remark in notes['remarks']
    ]


def manifest_of(name: str) -> dict:
    """The manifest of a data set, complete or not; {} when there is none or it is damaged."""
    return files.read_notes(paths.manifest(name), Manifest)


def belongs(manifest: dict, fingerprint: str | None) -> bool:
    """Whether records with this fingerprint are these: backbones may have been added to them since."""
    return fingerprint in (manifest.get('fingerprint'), *manifest.get('earlier', ()))


def source_of(manifest: dict) -> Path | None:
    """Folder or archive of a data set's photos; None when the manifest names none on this machine."""
    source = manifest.get('source')
    return paths.ROOT / source if source and not is_url(source) else None


def is_url(source: str) -> bool:
    """Whether a path in a manifest is a URL (`gs://...`), which Apache Beam reads."""
    return '://' in source
