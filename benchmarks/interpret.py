"""Whether maps of importance can be believed, and how long pictures of a network take.

    python -m benchmarks.interpret pocket_dogs Images
    python -m benchmarks.interpret mobilenet_v2_1.0_224.pb Images --layer conv_40/Relu6

Counts, on the photos of a folder (default: drawn pictures), how often deletion in the order of Grad-CAM and
of integrated gradients beats random masks, for the predicted class. Then times a page of `saliency` in a
process of its own, from its start to its end, and 64 filters of a layer.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from benchmarks.photos import add_photos, photos_for
from src.common import cli, errors
from src.common.progress import progress, say
from src.interpret.attribution import Attributions
from src.interpret.filters import MOST_CHANNELS, channels_of
from src.interpret.opened import Opened, add_model, open_network
from src.interpret.perturbation import Verdict
from src.interpret.saliency import maps_of
from src.records.next_commands import frozen_model


def verdicts(opened: Opened, photos: list[Path]) -> dict[str, list[Verdict]]:
    """By the name of a map, the verdicts on all photos, each for its predicted class."""
    found: dict[str, list[Verdict]] = {}
    with Attributions(opened.model) as attributions, progress(len(photos), 'judging', 'photos') as bar:
        for path in photos:
            picture = opened.read(path)
            index = int(attributions.probabilities(picture.pixels[None])[0].argmax())
            for one in maps_of(opened, attributions, picture, index):
                if one.verdict:  # none for a picture of one color
                    found.setdefault(one.name, []).append(one.verdict)
            bar.update()
    return found


def line_of(name: str, found: list[Verdict]) -> str:
    """The shares of photos on which a map beats its random masks, and the mean scores."""
    deletion = np.array([(one.curves.deletion_score, one.random_deletion) for one in found]).mean(0)
    insertion = np.array([(one.curves.insertion_score, one.random_insertion) for one in found]).mean(0)
    better = [sum(one.deletion_better for one in found), sum(one.insertion_better for one in found)]
    return (
        f'{name:<22} deletion beats random masks on {better[0]} of {len(found)} '
        f'({deletion[0]:.3f} to {deletion[1]:.3f}), insertion on {better[1]} '
        f'({insertion[0]:.3f} to {insertion[1]:.3f})'
    )


def seconds_of_page(model: Path, photo: Path, folder: Path) -> float:
    """Seconds of the command `saliency` in a process of its own."""
    begun = time.perf_counter()
    command = [sys.executable, '-m', 'src.interpret.saliency', model, photo, '--out', folder]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('benchmarks.interpret', __doc__)
    add_model(made)
    add_photos(made)
    made.add_argument('--images', type=cli.whole_number(1), default=100, help='photos (default: %(default)s)')
    made.add_argument('--layer', help=f'layer of the {MOST_CHANNELS} filters (default: no filters)')
    args = made.parse_args(argv)
    say(machine_line())
    opened = open_network(args.model)
    with tempfile.TemporaryDirectory() as scratch:
        photos = photos_for(args.photos, args.images, Path(scratch))
        for name, found in verdicts(opened, photos).items():
            say(line_of(name, found))
        page = seconds_of_page(frozen_model(args.model), photos[0], Path(scratch))
        say(f'a page of saliency: {page:.1f} s')
    if args.layer:
        begun = time.perf_counter()
        drawn = channels_of(opened, args.layer)
        seconds = time.perf_counter() - begun
        say(
            f'{len(drawn)} filters of {args.layer}: {seconds:.0f} s, {drawn[0].noise.picture.shape[0]} pixels'
        )


if __name__ == '__main__':
    errors.run(main)
