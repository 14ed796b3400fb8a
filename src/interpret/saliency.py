"""Show where a classifier looks (Grad-CAM, integrated gradients), and whether to believe the maps.

    python -m src.interpret.saliency frozen/pocket_dogs.pb my_dog.jpg
    python -m src.interpret.saliency frozen/flowers.pb rose.jpg --class tulip

Both maps are drawn over the picture, for the predicted class or the one of --class (a name, or its number).
Then pixels are deleted in the order of each map, and inserted in this order into a blurred copy. Masks of the
same sizes and shapes in random places do the same. A map whose deletion lowers the probability faster than
that of the random masks can be believed. Writes two PNGs and one HTML page.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.progress import next_step, progress, say, wrote
from src.interpret.attribution import Attributions
from src.interpret.opened import Opened, Picture, add_model, add_out, folder_of, names_faults, open_network
from src.interpret.perturbation import Verdict, judge


@dataclass(frozen=True)
class Map:
    """A map of importance [h, w] for a class, its name, and what the random masks say of it (None for a
    picture of one color, of which a map can say nothing)."""

    name: str
    importance: np.ndarray
    verdict: Verdict | None

    @property
    def flat(self) -> bool:
        """Whether nothing in the picture speaks for the class."""
        return not (self.importance > 0).any()

    @property
    def believed(self) -> bool:
        """Whether deletion in the order of the map beats the random masks."""
        return self.verdict is not None and not self.flat and self.verdict.deletion_better

    def judged(self) -> str:
        """Whether to believe the map, in one line."""
        if self.verdict is None:
            return f'{self.name}: flat, as the picture has one color'
        if self.flat:
            return f'{self.name}: flat, as nothing in the picture speaks for this class'
        return (
            f'{self.name}: {"believe it" if self.believed else "do not believe it"}: deletion score '
            f'{self.verdict.curves.deletion_score:.3f}, random masks {self.verdict.random_deletion:.3f}'
        )


def maps_of(opened: Opened, attributions: Attributions, picture: Picture, class_index: int) -> list[Map]:
    """Grad-CAM and integrated gradients of a picture for a class, judged by deletion and insertion."""
    if picture.one_color:
        flat = np.zeros(picture.pixels.shape[:2], np.float32)
        return [Map(name, flat, None) for name in ('Grad-CAM', 'Integrated gradients')]
    gray = (opened.black + opened.white) / 2  # the baseline is what deletion leaves
    integrated = attributions.integrated_gradients(picture.pixels, class_index, gray)
    found = {
        'Grad-CAM': attributions.grad_cam(picture.pixels, class_index),
        'Integrated gradients': integrated.sum(-1),
    }

    def probability(pixels: np.ndarray) -> np.ndarray:
        return attributions.probabilities(pixels)[:, class_index]

    maps = []
    with progress(len(found), 'deleting and inserting', 'maps') as bar:
        for name, importance in found.items():
            maps.append(Map(name, importance, judge(importance, picture.pixels, gray, probability)))
            bar.update()
    return maps


def class_index(wanted: str | None, labels: Sequence[str], probabilities: np.ndarray) -> int:
    """The index of the class `wanted`, a label or a number; of the best class without one.

    Raises UserError, with similar names, for a class that the model does not have.
    """
    if wanted is None:
        return int(probabilities.argmax())
    plain = [_plain(label) for label in labels]
    if _plain(wanted) in plain:
        return plain.index(_plain(wanted))
    if wanted.isdecimal() and len(wanted) < 20 and int(wanted) < len(probabilities):
        return int(wanted)
    near = [labels[plain.index(name)] for name in difflib.get_close_matches(_plain(wanted), plain, 3, 0.4)]
    similar = f'; similar: {", ".join(near)}' if near else f'; give a number below {len(probabilities)}'
    raise UserError(f'the model has no class {wanted!r}{similar}')


def _plain(label: str) -> str:
    return ' '.join(label.replace('_', ' ').lower().split())


@names_faults
def saliency(opened: Opened, path: Path, wanted: str | None, folder: Path) -> list[Path]:
    """Write the pictures and the page about one picture. Returns the paths. Raises UserError for a network
    without class probabilities, and for a class that it does not have."""
    from src.interpret.saliency_report import write_report

    picture = opened.read(path)
    with Attributions(opened.model) as attributions:
        probabilities = attributions.probabilities(picture.pixels[None])[0]
        if probabilities.min() < 0 or abs(probabilities.sum() - 1) > 1e-2:
            raise UserError(
                f'{opened.name} has no class probabilities: its last tensor is {opened.model.output}'
            )
        index = class_index(wanted, opened.model.labels, probabilities)
        maps = maps_of(opened, attributions, picture, index)
    label = opened.model.labels[index].strip() if opened.model.labels else f'class {index}'
    say(f'{picture.name}: {label} {probabilities[index]:.1%}')
    for one in maps:
        say(f'  {one.judged()}')
    return write_report(opened, picture, label, float(probabilities[index]), maps, folder)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.interpret.saliency', __doc__, loads_graphs=True)
    add_model(made)
    made.add_argument('image', type=Path, metavar='IMAGE', help='a picture')
    made.add_argument('--class', dest='wanted', metavar='NAME', help='class to explain (default: the best)')
    add_out(made)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    folder = folder_of(args)
    cli.require(args.image.exists(), f'there is no {paths.shown(args.image)}')
    written = saliency(open_network(args.model), args.image, args.wanted, folder)
    for path in written:
        wrote(path, files.human_size(files.size_of(path)), written)
    next_step(f'open {shlex.quote(paths.shown(written[-1]))}')


if __name__ == '__main__':
    errors.run(main)
