"""Heat maps, bar charts, curves, reliability diagrams and contact sheets in one style.

    with drawing(path, width=8, height=4) as figure:     # a PNG, written whole or not at all
        figure.add_subplot().plot(steps, losses)

Charts are drawn with Matplotlib's Agg canvas and without pyplot, so they need no window system and do not
change a notebook's own figures. Importing Matplotlib takes half a second, so it is imported in the functions
that use it. Names may be in any script that DejaVu Sans or an installed font has (`fonts`).
"""

from src.drawing.bars import bar_chart_groups, bar_chart_pairs
from src.drawing.fonts import families, writable
from src.drawing.heat_maps import heat_map
from src.drawing.reliability import reliability_diagram
from src.drawing.scatter import scatter_plots
from src.drawing.sheets import Tile, contact_sheet
from src.drawing.style import BLUE, FAINT, MUTED, ORANGE, STYLE, drawing, readable

__all__ = [
    'BLUE',
    'FAINT',
    'MUTED',
    'ORANGE',
    'STYLE',
    'Tile',
    'bar_chart_groups',
    'bar_chart_pairs',
    'contact_sheet',
    'drawing',
    'families',
    'heat_map',
    'readable',
    'reliability_diagram',
    'scatter_plots',
    'writable',
]
