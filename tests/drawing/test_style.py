"""What all charts share."""

from __future__ import annotations

from src.drawing.style import LEAST_LINE, drawing, extent, title_above


def lines(tmp_path, title: str, width: float) -> list[str]:
    with drawing(tmp_path / 'a.png', width, 3) as figure:
        title_above(figure, extent(figure, figure.subplots()), title)
        return figure.texts[0].get_text().splitlines()


def test_a_title_is_as_wide_as_its_chart_at_most(tmp_path):
    title = 'the probabilities of 400 validation photos, calibrated with a temperature of 0.62'
    wide, narrow = lines(tmp_path, title, 12), lines(tmp_path, title, 1)
    assert wide == [title]
    assert len(narrow) > 2 and ' '.join(narrow) == title
    assert max(map(len, narrow)) <= LEAST_LINE
