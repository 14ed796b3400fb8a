"""Draw each channel's output for one picture, layer by layer.

    python -m src.interpret.activations frozen/pocket_dogs.pb my_dog.jpg
    python -m src.interpret.activations frozen/pocket_dogs.pb my_dog.jpg --layers '*/stage2/*' --channels 16

Without --layers these are the feature maps behind activation functions. Each channel has its own contrast,
from the 1st to the 99th percentile of its values. Writes a PNG for each layer, and one HTML page with all.
"""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from src.common import cli, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import next_step, progress, say, wrote
from src.common.tf1 import tf
from src.drawing.grids import Cell, grid
from src.drawing.overlays import heat_colors
from src.graph.gradients.imported import feature_maps, import_network, main_layers
from src.interpret.opened import Opened, Picture, add_model, add_out, folder_of, names_faults, open_network
from src.interpret.page import Section, write_page

CHANNELS = 64  # drawn of each layer, without --channels
COLUMNS, SIDE = 16, 72  # cells in a row, height of a cell in pixels
PERCENTILES = 1, 99


def layers_of(
    opened: Opened, pixels: np.ndarray, patterns: Sequence[str] = ()
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and output [height, width, channels] of each feature map that matches one of the globs `patterns`
    (default: those behind activation functions), for the pixels [height, width, 3] of one picture.

    Raises UserError, with similar names, for a pattern that matches no feature map.
    """
    model = opened.model
    with tf.Graph().as_default(), tf.Session() as session:
        layer = import_network(model)
        given = layer(model.preprocessing.pixels)
        maps = feature_maps(given, layer(model.output))
        chosen = _matching(maps, patterns) if patterns else main_layers(maps)
        if not chosen:
            raise UserError(f'{opened.name} has no feature maps [N, height, width, channels]')
        outputs = session.run(chosen, {given: pixels[None]})
    for tensor, output in zip(chosen, outputs, strict=True):
        yield tensor.op.name, output[0].astype(np.float32)


def _matching(maps: Sequence[tf.Tensor], patterns: Sequence[str]) -> list[tf.Tensor]:
    names = [tensor.op.name for tensor in maps]
    matching: set[str] = set()
    for pattern in patterns:
        plain = pattern.removesuffix(':0')
        found = fnmatch.filter(names, plain)
        if not found:
            near = difflib.get_close_matches(plain, names, 5, 0.4) or names
            raise UserError(f'no feature map {pattern!r}; similar: {files.listed(near, 5)}')
        matching.update(found)
    return [tensor for tensor in maps if tensor.op.name in matching]


def contrasted(channel: np.ndarray) -> np.ndarray:
    """One channel [h, w] as colors [h, w, 3] uint8, dark for its 1st percentile and below, light for its 99th
    and above; all dark for a constant channel."""
    low, high = np.percentile(channel, PERCENTILES)
    if high <= low:  # less than a hundredth of the positions differ
        low, high = channel.min(), channel.max()
    values = (channel - low) / (high - low) if high > low else np.zeros_like(channel)
    return np.uint8(heat_colors(np.clip(values, 0, 1)))


def draw_layer(
    name: str, output: np.ndarray, picture: Picture, shown: np.ndarray, most: int, path: Path
) -> str:
    """Write a PNG of the first `most` channels of a layer, with the picture as the network sees it, `shown`,
    beside them. Returns what it shows, in one line."""
    height, width, channels = output.shape
    number = min(most, channels)
    silent = int((np.abs(output).max((0, 1)) == 0).sum())
    note = f'{height} × {width}, {count(channels, "channel")}'
    note += f', the first {number} are shown' if number < channels else ''
    note += f'; {silent} are 0 everywhere' if silent else ''
    cells = [Cell(contrasted(output[..., i]), str(i)) for i in range(number)]
    columns = min(COLUMNS, number)
    drawn = grid(cells, columns, SIDE, name, note, Cell(shown, picture.name))
    files.write_picture(path, drawn, format='PNG')
    return note


@names_faults
def activations(opened: Opened, image: Path, patterns: Sequence[str], most: int, folder: Path) -> list[Path]:
    """Write a PNG for each layer, and the page. Returns their paths, the page last. Raises UserError as
    `layers_of` does, and for a file that is no picture."""
    picture = opened.read(image)
    shown = opened.shown(picture.pixels)
    sections: list[Section] = []
    layers = list(layers_of(opened, picture.pixels, patterns))
    with progress(len(layers), 'drawing', 'layers') as bar:
        for place, (name, output) in enumerate(layers, 1):
            file = f'{image.stem}_{place:02}_{re.sub(r"[^a-zA-Z0-9_.-]+", "_", name)}.png'
            note = draw_layer(name, output, picture, shown, most, folder / file)
            sections.append(Section(name, [f'{note}.'], folder / file, f'Channels of {name}'))
            bar.update()
    page = folder / f'{image.stem}_activations.html'
    lead = (
        f'The output of each channel of {opened.name} for {picture.name}, layer by layer. '
        'Each channel has its own contrast: light is its largest value.'
    )
    write_page(page, f'What {opened.name} sees in {picture.name}', lead, sections, contents=len(sections) > 1)
    return [*(section.picture for section in sections), page]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.interpret.activations', __doc__, loads_graphs=True)
    add_model(made)
    made.add_argument('image', type=Path, metavar='IMAGE', help='a picture')
    made.add_argument(
        '--layers',
        nargs='+',
        default=(),
        metavar='GLOB',
        help="names of layers, such as 'block_1/*' (default: those behind activation functions)",
    )
    made.add_argument(
        '--channels',
        type=cli.whole_number(1),
        default=CHANNELS,
        metavar='N',
        help='most channels drawn of a layer (default: %(default)s)',
    )
    add_out(made)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    folder = folder_of(args)
    cli.require(args.image.exists(), f'there is no {paths.shown(args.image)}')
    written = activations(open_network(args.model), args.image, args.layers, args.channels, folder)
    say(count(len(written) - 1, 'layer'))
    wrote(folder, f'{count(len(written) - 1, "PNG")} and a page')
    next_step(f'open {shlex.quote(paths.shown(written[-1]))}')


if __name__ == '__main__':
    errors.run(main)
