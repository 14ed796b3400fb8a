"""The one place that draws: heat maps, bar charts and contact sheets in one style.

    with drawing(path, width=8, height=4) as figure:     # a PNG, written whole or not at all
        figure.add_subplot().plot(steps, losses)

Charts are Matplotlib's, on its Agg canvas and without pyplot, so that no window system is needed and
a notebook's own figures are left alone. Matplotlib takes half a second to load: functions that need
it import it. Names may be in any script that DejaVu Sans or an installed font has (`fonts`).
"""

from src.drawing.bars import bar_chart_pairs
from src.drawing.fonts import families, writable
from src.drawing.heat_maps import heat_map
from src.drawing.sheets import Tile, contact_sheet
from src.drawing.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER, STYLE, drawing, spoken

__all__ = [
    'BLUE',
    'FAINT',
    'INK',
    'MUTED',
    'ORANGE',
    'PAPER',
    'STYLE',
    'Tile',
    'bar_chart_pairs',
    'contact_sheet',
    'drawing',
    'families',
    'heat_map',
    'spoken',
    'writable',
]
