"""Splits with a number of photos of each class, drawn by a seed, instead of by hash.

The photos of a class are put in an order that depends on the seed and on their bytes alone. The first become
the test split, the next validation and training. So the same seed gives the same splits on every machine, and
the test photos stay the same when more training photos are asked for.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from src.common import cli, consts, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import progress, say
from src.data_preparation.conversion.bottlenecks import checked
from src.data_preparation.samples import Planned, skipped
from src.images.faults import BadImage
from src.records.manifest import Remark

ORDER = ('test', 'validation', 'train')  # in which the splits are filled


@dataclass(frozen=True)
class Draw:
    """Photos of each class in each split, as numbers (int) or as shares of the class (float); None: none."""

    train: float
    validation: float | None = None
    test: float | None = None
    seed: int = consts.SEED

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def wanted(self, available: int) -> dict[str, int]:
        """The number of photos in each split, of a class with `available` photos."""
        shares = {split: getattr(self, split) or 0 for split in ORDER}
        return {s: v if isinstance(v, int) else int(v * available + 1e-9) for s, v in shares.items()}


def add_draw(made: argparse.ArgumentParser) -> None:
    """`--train-per-class`, `--validation-per-class`, `--test-per-class` and `--seed`."""
    for split in consts.SPLITS:
        made.add_argument(
            f'--{split}-per-class',
            type=_number_or_share,
            metavar='N',
            help=f'photos of each class in the {split} split: a number such as 500, or a share such as 0.25 '
            '(default: a hash of its bytes decides the split of each photo)',
        )
    made.add_argument(
        '--seed',
        type=cli.seed_number,
        help=f'seed of the draw (default: {consts.SEED})',
    )


def draw_of(args: argparse.Namespace) -> Draw | None:
    """The draw that the flags ask for. Raises UserError for flags that do not go together."""
    shares = {split: getattr(args, f'{split}_per_class') for split in consts.SPLITS}
    given = [share for share in shares.values() if share is not None]
    if not given:
        if args.seed is not None:
            raise UserError('--seed is for splits that are drawn: give --train-per-class too')
        return None
    if shares['train'] is None:
        raise UserError('give --train-per-class too: splits are drawn by number only if all of them are')
    if sum(share for share in given if isinstance(share, float)) > 1 + 1e-9:
        raise UserError(f'the shares {" + ".join(map(str, given))} are more than 1')
    return Draw(**shares, seed=consts.SEED if args.seed is None else args.seed)


def drawn(
    planned: Sequence[Planned], draw: Draw, source: Path, dropped: Collection[str] = ()
) -> tuple[list[Planned], list[Remark]]:
    """The photos that the draw takes, with their splits, in the order of `planned`; and remarks on photos
    that it came upon and that cannot be decoded, in whose place others are taken.

    `dropped` are hashes of photos that a review dropped. All other photos get the splits that they get
    without it; a dropped photo's place goes to one that was left out, if there is any.

    `planned` holds each photo once, so that no picture can be in two splits. Raises UserError when a class
    has fewer photos than asked for, or so few that a share of them is no photo.
    """
    by_label: dict[str, list[Planned]] = defaultdict(list)
    for item in planned:
        by_label[item.sample.label].append(item)
    wanted = {label: draw.wanted(len(items)) for label, items in by_label.items()}
    if any(sum(wanted[label].values()) > len(items) for label, items in by_label.items()):
        raise _too_few(source, {label: len(items) for label, items in by_label.items()}, wanted)
    for label, numbers in sorted(wanted.items()):
        if none := next((split for split in ORDER if getattr(draw, split) and not numbers[split]), None):
            raise UserError(
                f'{paths.shown(source)} holds {count(len(by_label[label]), f"{label} photo")} that can be '
                f'used: --{none}-per-class {getattr(draw, none)} of them is no photo, ask for a larger share'
            )
    splits: dict[str, str] = {}
    remarks: list[Remark] = []
    with progress(sum(sum(w.values()) for w in wanted.values()), 'drawing photos', 'photos') as bar:
        for label in sorted(by_label):
            places = [split for split in ORDER for _ in range(wanted[label][split])]
            found, asked = 0, len(places)
            for item, fault in _decoded(_shuffled(by_label[label], draw.seed)):
                if found == len(places):
                    break
                if fault:
                    remarks.append(skipped(item.sample, str(fault)))
                    continue
                if item.digest in dropped:
                    places.append(places[found])
                splits[item.digest] = places[found]
                found += 1
                bar.update()
            if found < asked and isinstance(draw.train, int):
                raise _too_few(source, {label: found}, wanted)
    left = len(planned) - len(splits) - len(remarks)
    kept = splits.keys() - set(dropped)
    taken = [replace(item, split=splits[item.digest]) for item in planned if item.digest in kept]
    if left:
        say(f'drew {count(len(taken), "photo")} with seed {draw.seed}; {left:,} left out')
    return taken, remarks


def _shuffled(items: Sequence[Planned], seed: int) -> list[Planned]:
    return sorted(items, key=lambda item: hashlib.sha256(f'{seed} {item.digest}'.encode()).digest())


def _decoded(items: Sequence[Planned]) -> Iterator[tuple[Planned, BadImage | None]]:
    """Each item with the reason why it cannot be decoded, or None."""
    return ((item, fault) for item, _, fault in checked(items))


def _too_few(source: Path, found: Mapping[str, int], wanted: Mapping[str, Mapping[str, int]]) -> UserError:
    numbers = next(iter(wanted.values()))
    asked = ' + '.join(f'{numbers[split]:,}' for split in consts.SPLITS if numbers[split])
    holds = ' and '.join(f'{number:,} {label}' for label, number in sorted(found.items()))
    return UserError(
        f'{paths.shown(source)} holds {holds} photos that can be used, but {asked} = '
        f'{sum(numbers.values()):,} of each class are asked for: ask for fewer, or add photos'
    )


def _number_or_share(text: str) -> float:
    """An argparse type: a whole number of photos (int), or a share of them below 1 (float)."""
    for kind, most in ((int, float('inf')), (float, 1)):
        try:
            value = kind(cli.without_thousands(text))
        except ValueError:
            continue
        if 0 < value <= most:
            return value
    raise argparse.ArgumentTypeError(
        f'{text!r} is neither a number of photos such as 500 nor a share such as 0.25'
    )
