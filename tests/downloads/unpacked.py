"""What an archive was unpacked to."""

from __future__ import annotations


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*'))
