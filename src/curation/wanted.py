"""The classes of a classifier that the photos of a data set should be of.

    wanted_classes(labels, ['cats', 'Komodo dragon'])    # places among the labels

A name stands for the classes whose label has it, whole or as one of the synonyms between commas, as in
`tabby, tabby cat`; `cats` and `dogs` stand for the lists in kinds/, which have ImageNet's names. Numbers at
the start of a label and underscores do not count.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.names import similar
from src.graph.model_info import labels_in

KINDS = paths.PACKAGE / 'curation' / 'kinds'
BUILT_IN = ('cats', 'dogs')


def names_in(text: str) -> list[str]:
    """The names in the value of --wanted: a file with one name a line, or a list between commas. Raises
    UserError."""
    path = Path(text)
    names = labels_in(path) if path.suffix == '.txt' or path.is_file() else text.split(',')
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise UserError(f'--wanted {text} names no classes: give names between commas, or a file')
    return names


def wanted_classes(labels: Sequence[str], names: Sequence[str]) -> list[int]:
    """The places of the wanted classes among the labels of a classifier. Raises UserError, with similar
    names, for a name that no label has."""
    exact, folded = _places(labels, str), _places(labels, str.casefold)
    wanted: set[int] = set()
    for name in _spelled_out(names):
        # 'Cardigan' is a dog, 'cardigan' is knitwear.
        found = exact.get(_plain(name)) or folded.get(_plain(name).casefold())
        if not found:
            near = similar(_plain(name).casefold(), folded.keys())
            raise UserError(f'the classifier has no class {name!r}: correct --wanted{near}')
        wanted |= found
    return sorted(wanted)


def names_of_classes(classes: Sequence[str], labels: Sequence[str]) -> list[str]:
    """What to take for --wanted when it is not given: the classes of a data set, as far as these names say
    it. Raises UserError for a class that neither is `cat` or `dog` nor has the name of a label."""
    known = _places(labels, str.casefold)
    names = []
    for name in classes:
        plain = _plain(name)
        kind = plain.casefold().removesuffix('s') + 's'
        if kind in BUILT_IN:
            names.append(kind)
        elif plain.casefold() in known:
            names.append(plain)
        else:
            raise UserError(
                f'the classifier has no class {plain!r}: name the classes that the photos may look like by '
                '--wanted FILE|LIST'
            )
    return names


def _spelled_out(names: Sequence[str]) -> list[str]:
    return [
        one
        for name in names
        for one in (labels_in(KINDS / f'{name.casefold()}.txt') if name.casefold() in BUILT_IN else [name])
    ]


def _places(labels: Sequence[str], form) -> dict[str, set[int]]:
    """The places of the labels by name, whole and by synonym, in a form of the name."""
    places: dict[str, set[int]] = defaultdict(set)
    for place, label in enumerate(labels):
        whole = _plain(label)
        for name in {whole, *(part.strip() for part in whole.split(','))}:
            places[form(name)].add(place)
    return places


def _plain(label: str) -> str:
    """'Siamese cat' of '285  Siamese cat' and of 'n02123597-Siamese_cat'."""
    return ' '.join(re.sub(r'^(\d+\s+|n\d{8}[-_ ])', '', label.strip()).replace('_', ' ').split())
