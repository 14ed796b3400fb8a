"""A self-contained HTML page: headings, texts, pictures and tables. It needs no other file and no network."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.common import files
from src.drawing.style import BLUE, FAINT, INK, MUTED, PAPER

STYLE = f"""
:root {{ color-scheme: light dark; --ink: {INK}; --muted: {MUTED}; --line: {FAINT}; --paper: {PAPER};
  --link: {BLUE}; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6eaee; --muted: #9aa7b4; --line: #38424d; --paper: #171c21; --link: #6db1e4; }}
}}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }}
h1, h2 {{ overflow-wrap: anywhere; }} a {{ color: var(--link); }}
p {{ max-width: 50rem; }}
nav {{ columns: 14rem; font-size: 13px; }} nav a {{ display: block; overflow-wrap: anywhere; }}
img {{ max-width: 100%; height: auto; border-radius: 6px; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; }}
"""


@dataclass(frozen=True)
class Section:
    """A part of a page: heading, paragraphs, the path of a PNG with its description, and a table whose first
    row holds the headers."""

    heading: str
    texts: Sequence[str] = ()
    picture: Path | None = None
    description: str = ''
    table: Sequence[Sequence[object]] = ()


def write_page(
    path: Path, title: str, lead: str, sections: Sequence[Section], contents: bool = False
) -> None:
    """Write the page; the PNGs of its sections become part of it. `contents` adds links to the sections."""
    links = ''
    if contents:
        links = ''.join(
            f'<a href="#s{i}">{html.escape(section.heading)}</a>' for i, section in enumerate(sections)
        )
        links = f'<nav aria-label="Contents">{links}</nav>'
    body = ''.join(_section(f's{i}', section) for i, section in enumerate(sections))
    with files.atomic(path) as stream:
        stream.write(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
            f'<h1>{html.escape(title)}</h1><p>{html.escape(lead)}</p>{links}{body}</html>\n'
        )


def _section(place: str, section: Section) -> str:
    parts = [f'<section id="{place}"><h2>{html.escape(section.heading)}</h2>']
    parts += [f'<p>{html.escape(text)}</p>' for text in section.texts]
    if section.picture:
        data = base64.b64encode(section.picture.read_bytes()).decode()
        parts.append(f'<img alt="{html.escape(section.description)}" src="data:image/png;base64,{data}">')
    if section.table:
        head, *rows = section.table
        parts.append(f'<div class="table" tabindex="0"><table><thead>{_row("th", head)}</thead><tbody>')
        parts += [_row('td', row) for row in rows]
        parts.append('</tbody></table></div>')
    return ''.join(parts) + '</section>'


def _row(tag: str, cells: Iterable[object]) -> str:
    return f'<tr>{"".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)}</tr>'
