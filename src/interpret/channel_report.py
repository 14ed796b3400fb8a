"""The picture, the table and the page of `filters`."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common import files
from src.common.files import count
from src.drawing.grids import Cell, grid
from src.interpret.ascent import Ascent
from src.interpret.page import Section, write_page

COLUMNS, SIDE, LINE = 6, 112, 2  # cells in a row, height of a picture, pixels between the two of a cell
HEAD = (
    *('channel', 'state'),
    *('noise_start', 'noise_end', 'noise_gradient', 'noise_active', 'noise_moved'),
    *('fourier_start', 'fourier_end', 'fourier_gradient', 'fourier_active', 'fourier_moved'),
)
HOW = (
    'Left of each pair: 40 steps of normalized gradient ascent from gray noise. Right: a Fourier image with '
    'decorrelated colors, seen shifted, rotated and scaled (Olah et al. 2017), with gradients that pass '
    'dead ReLUs.'
)
COLUMNS_EXPLAINED = (
    'start and end: mean output of the channel before the first step and after the last. gradient: norm of '
    'its gradient at the start; 0 means dead: no step can change the picture. active: share of the positions '
    'above 0 at the start. moved: whether the output rose.'
)


@dataclass(frozen=True)
class Channel:
    """A channel of a layer, and both ascents."""

    number: int
    noise: Ascent
    fourier: Ascent

    @property
    def state(self) -> str:
        """What became of the channel: 'alive', 'woken', 'still dead', or 'did not move'."""
        if self.noise.dead:
            return 'woken' if self.fourier.end > 1e-6 and self.fourier.moved else 'still dead'
        return 'alive' if self.noise.moved else 'did not move'


def summary(channels: Sequence[Channel]) -> str:
    """How many channels were dead, and how many of them were woken, in one line."""
    states = [channel.state for channel in channels]
    dead = states.count('woken') + states.count('still dead')
    stuck = states.count('did not move')
    return (
        f'{count(len(channels), "channel")}: {dead} dead on gray noise (gradient 0), '
        f'{states.count("woken")} of them woken; {states.count("alive")} alive'
        + (f'; {stuck} alive that did not move' if stuck else '')
    )


def write_report(model: str, layer: str, channels: Sequence[Channel], folder: Path) -> list[Path]:
    """Write LAYER_filters.png, .csv and .html. Returns their paths."""
    name = re.sub(r'[^\w.-]+', '_', layer)
    picture, table, page = (folder / f'{name}_filters.{end}' for end in ('png', 'csv', 'html'))
    cells = [
        Cell(_pair(one), str(one.number) + ('' if one.state == 'alive' else f': {one.state}'))
        for one in channels
    ]
    title = f'{layer} of {model}'
    drawn = grid(cells, min(COLUMNS, len(cells)), SIDE, title, f'{summary(channels)}. {HOW}')
    files.write_picture(picture, drawn, format='PNG')
    rows = [HEAD, *(_row(channel) for channel in channels)]
    with files.atomic(table) as stream:
        csv.writer(stream, lineterminator='\n').writerows(rows)
    sections = [
        Section('What excites each channel', [HOW], picture, f'Filters of {layer}'),
        Section(
            'Each channel', [COLUMNS_EXPLAINED], table=[[str(v).replace('_', ' ') for v in r] for r in rows]
        ),
    ]
    write_page(page, f'Filters of {layer}', f'{model}, {summary(channels)}.', sections)
    return [picture, table, page]


def _pair(channel: Channel) -> np.ndarray:
    left, right = channel.noise.picture, channel.fourier.picture
    return np.concatenate([left, np.full((len(left), LINE, 3), 255, np.uint8), right], 1)


def _row(channel: Channel) -> tuple:
    def cells(one: Ascent) -> tuple:
        numbers = (one.start, one.end, one.slope, one.active)
        return (*(f'{number:.4g}' for number in numbers), 'yes' if one.moved else 'no')

    return (channel.number, channel.state, *cells(channel.noise), *cells(channel.fourier))
