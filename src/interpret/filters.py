"""Draw the input that excites each channel of a layer most, in two ways side by side.

    python -m src.interpret.filters frozen/pocket_dogs.pb student/stage2/Relu
    python -m src.interpret.filters frozen/pocket_dogs.pb student/last/Relu --channels 0-15,40

Left: 40 steps of normalized gradient ascent from gray noise. Right: a Fourier image with decorrelated colors,
seen shifted, rotated and scaled at random (Olah et al. 2017). Many channels of deep layers stay noise at the
left: their ReLU is 0 for gray noise, so its gradient is 0 too. At the right gradients pass such ReLUs. A CSV
says for each channel whether it was dead, and whether its output rose.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.progress import next_step, progress, say, wrote
from src.common.tf1 import tf
from src.graph.gradients.imported import import_network, is_feature_map
from src.interpret.ascent import PIXEL_STEPS, SPECTRUM_STEPS, from_pixels, from_spectrum
from src.interpret.channel_report import Channel, summary, write_report
from src.interpret.opened import Opened, add_model, add_out, folder_of, names_faults, open_network

MOST_CHANNELS = 64  # without --channels
LARGEST_SIDE = 128  # without --side


@names_faults
def channels_of(
    opened: Opened, layer: str, wanted: Sequence[int] | None = None, side: int | None = None
) -> list[Channel]:
    """Both ascents for the channels `wanted` (default: the first MOST_CHANNELS) of a layer, with images of
    `side` pixels (default: those of the network, at most LARGEST_SIDE).

    Raises UserError for a layer or channel that does not exist, and for a side that the layer cannot take.
    """
    number, is_map = _layer_of(opened, layer)
    height, width = opened.model.preprocessing.height, opened.model.preprocessing.width
    if not is_map and side not in (None, height):
        raise UserError(f'{layer} has no positions, so that it needs images of {height} pixels: omit --side')
    side = side or (min(height, width, LARGEST_SIDE) if is_map else height)
    channels = list(range(min(number, MOST_CHANNELS))) if wanted is None else list(wanted)
    if max(channels) >= number:
        raise UserError(
            f'{layer} has {files.count(number, "channel")}, 0 to {number - 1}: no {max(channels)}'
        )
    with progress(len(channels) * (PIXEL_STEPS + SPECTRUM_STEPS), 'gradient ascent', 'steps') as bar:
        plain = from_pixels(opened, layer, channels, side, bar.update)
        better = from_spectrum(opened, layer, channels, side, bar.update)
    return [Channel(*both) for both in zip(channels, plain, better, strict=True)]


def _layer_of(opened: Opened, name: str) -> tuple[int, bool]:
    """The number of channels of a layer, and whether it has positions."""
    with tf.Graph().as_default():
        tensor = import_network(opened.model, end=name)(name)
    if not tensor.dtype.is_floating or tensor.shape.rank not in (2, 4) or tensor.shape[-1] is None:
        raise UserError(f'{name} is {tensor.dtype.name} {tensor.shape}: choose a layer [N, ..., channels]')
    return int(tensor.shape[-1]), is_feature_map(tensor)


def numbers(text: str) -> list[int]:
    """An argparse type: '0-15,40' as a list of whole numbers."""
    found: list[int] = []
    for part in text.split(','):
        ends = re.fullmatch(r'\s*(\d{1,6})(?:-(\d{1,6}))?\s*', part)
        channels = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else ()
        if not channels:
            raise argparse.ArgumentTypeError(f'{text!r} is not a list of channels such as 0-15,40')
        found += channels
    return list(dict.fromkeys(found))


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.interpret.filters', __doc__, loads_graphs=True)
    add_model(made)
    made.add_argument('layer', metavar='LAYER', help='name of a layer; a wrong name lists similar ones')
    made.add_argument(
        '--channels',
        type=numbers,
        metavar='LIST',
        help=f'such as 0-15,40 (default: the first {MOST_CHANNELS})',
    )
    made.add_argument(
        '--side',
        type=cli.whole_number(16, 1024),
        help=f'of the images, in pixels (default: that of the network, at most {LARGEST_SIDE})',
    )
    add_out(made)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    folder = folder_of(args)
    opened = open_network(args.model)
    channels = channels_of(opened, args.layer, args.channels, args.side)
    say(summary(channels))
    written = write_report(opened.name, args.layer, channels, folder)
    for path in written:
        wrote(path, files.human_size(files.size_of(path)), written)
    next_step(f'open {shlex.quote(paths.shown(Path(written[-1])))}')


if __name__ == '__main__':
    errors.run(main)
