"""What the manifest of a records folder says, and where the folder came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.common import files, paths

# What is done about an unlabelled photo that cannot be read: leaving it out would spoil the submission.
UNIFORM = 'given even odds'


NOT_USED = 'not used'  # files and folders that belong to no class


@dataclass(frozen=True)
class Remark:
    """A file that has a fault, what was done about it, and why."""

    file: str
    outcome: str  # 'skipped', 'kept', NOT_USED or UNIFORM
    reason: str


def manifest_of(name: str) -> dict:
    """The manifest of a data set, finished or not; {} when there is none."""
    return files.read_notes(paths.manifest(name))


def source_of(manifest: dict) -> Path | None:
    """Where the photos of a data set lay on this machine; None when that is not noted."""
    source = manifest.get('source')
    return paths.ROOT / source if source and not is_address(source) else None


def is_address(noted: str) -> bool:
    """Whether it lies in another store (`gs://...`), which Beam reads."""
    return '://' in noted
