"""Draw docs/overview.png, the picture in the README, from the files that the demo made.

    sh setup/demo.sh && .venv/bin/python -m docs.overview

Shows the graph of frozen/sample.pb: a test picture at the left, its predicted probabilities at the right.
"""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from src.common import errors, paths
from src.common.progress import wrote
from src.drawing.style import BLUE, INK, MUTED, ORANGE, drawing
from src.graph.backbones import load_backbone
from src.inference.predictor import load_model
from src.records.dataset import open_records, pictures

PICTURE = 's00000003-ember_hound/s00000003_0016.jpg'  # of the test split
OUT = paths.CHECKOUT / 'docs' / 'overview.png'
GREEN = '#5b8c5a'


def stages(model, width: int, size: int) -> list[tuple[str, str, str]]:
    """(title, content, color) of each box, left to right."""
    hidden = model.info['settings']['layers'][1:-1]
    return [
        ('decode · resize', f'{size} × {size} pixels', MUTED),
        ('backbone', 'pretrained, frozen', BLUE),
        ('bottleneck', f'{width} numbers', MUTED),
        ('head', f'yours: {" · ".join(f"{n:,}" for n in hidden)} units', ORANGE),
    ]


def draw(out: Path) -> None:
    model = load_model(paths.frozen('sample'))
    backbone = load_backbone(paths.POCKET_GRAPH_DEF)
    (_, data) = next(pictures(open_records('sample'), 'test', [PICTURE]))
    probabilities = next(iter(model.from_pictures([data])))
    best = probabilities.argsort()[::-1][:4]
    with drawing(out, 12, 3.1) as figure:
        photo = figure.add_axes([0.0, 0.02, 0.15, 0.92])
        photo.imshow(Image.open(io.BytesIO(data)))
        photo.axis('off')
        chain = figure.add_axes([0.16, 0, 0.59, 1])
        chain.set(xlim=(0, 1), ylim=(0, 1))
        chain.axis('off')
        chain.add_patch(
            FancyBboxPatch(
                (0.06, 0.17),
                0.89,
                0.62,
                boxstyle='round,pad=0,rounding_size=0.03',
                fill=False,
                ec=INK,
                lw=1.2,
            )
        )
        chain.text(
            0.5, 0.86, 'one TensorFlow graph, one file: frozen/sample.pb', ha='center', size=11, weight='bold'
        )
        ends = [0.0]
        for place, (title, content, color) in enumerate(
            stages(model, backbone.width, backbone.preprocessing.height)
        ):
            left = 0.085 + place * 0.217
            chain.add_patch(
                FancyBboxPatch(
                    (left, 0.32), 0.185, 0.32, boxstyle='round,pad=0,rounding_size=0.02', fc=color, ec='none'
                )
            )
            chain.text(
                left + 0.0925, 0.51, title, ha='center', va='center', color='white', size=10, weight='bold'
            )
            chain.text(left + 0.0925, 0.41, content, ha='center', va='center', color='white', size=8.5)
            _arrow(chain, ends[-1], left)
            ends.append(left + 0.185)
        _arrow(chain, ends[-1], 1.0)
        chain.text(
            0.085 + 1.5 * 0.217 + 0.0925,
            0.235,
            'computed once, kept in TFRecords',
            ha='center',
            size=8.5,
            color=MUTED,
        )
        chain.text(
            0.085 + 3 * 0.217 + 0.0925, 0.235, 'trained in seconds', ha='center', size=8.5, color=MUTED
        )
        bars = figure.add_axes([0.765, 0.14, 0.235, 0.66])
        bars.set(xlim=(0, 1), ylim=(3.6, -0.6))
        bars.axis('off')
        for row, place in enumerate(best):
            bars.text(0, row - 0.12, model.labels[place].replace('_', ' '), va='bottom', size=10)
            bars.text(1, row - 0.12, f'{probabilities[place]:.1%}', va='bottom', ha='right', size=10)
            bars.barh(row + 0.1, probabilities[place], height=0.22, color=GREEN if row == 0 else MUTED)
    wrote(out, 'the picture in the README')


def _arrow(axes, start: float, end: float) -> None:
    axes.add_patch(
        FancyArrowPatch((start, 0.48), (end, 0.48), arrowstyle='-|>', mutation_scale=14, color=INK, lw=1.2)
    )


if __name__ == '__main__':
    errors.run(lambda: draw(OUT))
