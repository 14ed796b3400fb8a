"""The pictures and the page of `saliency`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from src.common import files
from src.drawing.grids import Cell, grid
from src.drawing.overlays import overlay
from src.drawing.style import BLUE, MUTED, ORANGE, drawing, readable
from src.interpret.opened import Opened, Picture
from src.interpret.page import Section, write_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from src.interpret.perturbation import Curves
    from src.interpret.saliency import Map

SIDE = 340  # pixels of a drawn map
SMOOTHED = 24  # cells in a row of a map as it is drawn: single pixels would be noise to the eye
COLORS = (BLUE, ORANGE)
HOW = (
    'Deletion: cells of the picture become gray, the most important first. The faster the probability falls, '
    'the better the map. Insertion: cells appear in a blurred copy; the faster it rises, the better. Random '
    'masks are those of the map, moved to random places. (Petsiuk et al. 2018)'
)


def write_report(
    opened: Opened, picture: Picture, label: str, probability: float, maps: Sequence[Map], folder: Path
) -> list[Path]:
    """Write NAME_saliency.png, NAME_curves.png (not for a picture of one color) and NAME_saliency.html."""
    name = Path(picture.name).stem
    drawn, curves, page = (
        folder / f'{name}_{end}' for end in ('saliency.png', 'curves.png', 'saliency.html')
    )
    title = f'{readable(label)}, {probability:.1%}'
    lines = [one.judged() for one in maps]
    _draw_maps(picture, maps, title, '. '.join(lines), drawn)
    sections = [Section('Where the network looks', lines, drawn, f'Maps for {label}')]
    written = [drawn]
    if all(one.verdict for one in maps):
        _draw_curves(maps, f'{readable(label)}: deletion and insertion', curves)
        sections.append(Section('Whether to believe it', [HOW], curves, 'Curves', _table(maps)))
        written.append(curves)
    lead = f'{opened.name} on {picture.name}: {title}.'
    write_page(page, f'Why {readable(label)}?', lead, sections)
    return [*written, page]


def _draw_maps(picture: Picture, maps: Sequence[Map], title: str, note: str, path: Path) -> None:
    upright = np.asarray(_fitted(picture.upright))
    cells = [Cell(upright, picture.name)]
    for one in maps:
        cells.append(Cell(np.asarray(overlay(upright, _smooth(one.importance))), one.name))
    files.write_picture(path, grid(cells, len(cells), SIDE, title, note), format='PNG')


def _fitted(upright: np.ndarray) -> Image.Image:
    """The picture with a height of SIDE."""
    image = Image.fromarray(upright)
    return image.resize((max(1, round(image.width * SIDE / image.height)), SIDE), Image.Resampling.LANCZOS)


def _smooth(importance: np.ndarray) -> np.ndarray:
    """A map of at most SMOOTHED x SMOOTHED cells, each the mean of its pixels, without negative values."""
    if min(importance.shape) > SMOOTHED:
        image = Image.fromarray(importance.astype(np.float32))
        importance = np.asarray(image.resize((SMOOTHED, SMOOTHED), Image.Resampling.BOX))
    return np.maximum(importance, 0)


def _draw_curves(maps: Sequence[Map], title: str, path: Path) -> None:
    with drawing(path, 10, 4.1, [title]) as figure:
        figure.suptitle(title, x=0.02, ha='left', fontweight='bold')
        for axes, kind in zip(figure.subplots(1, 2), ('deletion', 'insertion'), strict=True):
            _draw_kind(axes, maps, kind)
        figure.tight_layout()


def _draw_kind(axes: Axes, maps: Sequence[Map], kind: str) -> None:
    def curve(of: Curves) -> np.ndarray:
        return getattr(of, kind)

    for one, color in zip(maps, COLORS, strict=True):
        random = np.array([curve(each) for each in one.verdict.random])
        shares = np.linspace(0, 1, random.shape[1])
        score = getattr(one.verdict.curves, f'{kind}_score')
        axes.plot(
            shares, curve(one.verdict.curves), color=color, linewidth=2, label=f'{one.name} {score:.3f}'
        )
        axes.plot(
            shares, random.mean(0), color=color, linewidth=1.2, linestyle='--', label='its random masks'
        )
        axes.fill_between(shares, random.min(0), random.max(0), color=color, alpha=0.1, linewidth=0)
    axes.set_title(kind, fontsize=10)
    axes.set_xlabel('share of the cells taken', color=MUTED)
    axes.set_ylabel('probability')
    axes.xaxis.set_major_formatter('{x:.0%}')
    axes.set_ylim(0)
    axes.grid(axis='y')
    # Below the axes, where no curve runs.
    axes.legend(fontsize=8, loc='upper center', bbox_to_anchor=(0.5, -0.16), ncols=2)


def _table(maps: Sequence[Map]) -> list[tuple]:
    rows = [('map', 'deletion', 'random masks', 'insertion', 'random masks', 'believe it')]
    for one in maps:
        verdict = one.verdict
        numbers = (
            verdict.curves.deletion_score,
            verdict.random_deletion,
            verdict.curves.insertion_score,
            verdict.random_insertion,
        )
        rows.append((one.name, *(f'{number:.3f}' for number in numbers), 'yes' if one.believed else 'no'))
    return rows
