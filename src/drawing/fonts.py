"""Fonts for names in any script: DejaVu Sans, then installed fonts for the characters that it lacks.

Matplotlib and Pillow use the same fonts. A character that no installed font has is replaced (`writable`), and
a message says once which font to install. Arabic, Hebrew and Indic scripts are shaped and ordered by
libraqm, which is built into Pillow's wheels and into Matplotlib from 3.11 on.
"""

from __future__ import annotations

import contextlib
import logging
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from src.common.progress import say

# Without warnings about its font cache and about missing characters.
logging.getLogger('matplotlib').setLevel(logging.ERROR)

BASE = 'DejaVu Sans'  # comes with Matplotlib
# Put before a line of several names, it keeps the first at the left even if it is Arabic or Hebrew.
LEFT_TO_RIGHT = '\N{LEFT-TO-RIGHT MARK}'
# Fonts with a placeholder for every character, and a bitmap font.
UNWANTED = ('Last Resort', 'LastResort', 'Adobe Blank', 'Unifont')
# Debian and Ubuntu packages with an outline font, tested with this module.
PACKAGES = {'CJK': 'fonts-noto-cjk', 'emoji': 'fonts-symbola'}
OTHER_PACKAGE = 'fonts-noto-core'

CJK = re.compile('CJK|HANGUL|HIRAGANA|KATAKANA|BOPOMOFO|IDEOGRAPHIC|FULLWIDTH|HALFWIDTH')
SPELLED = re.compile('(?:HANGUL SYLLABLE|HIRAGANA LETTER|KATAKANA LETTER) ([A-Z]+)$')
UNSEEN = re.compile('VARIATION SELECTOR|EMOJI MODIFIER|ZERO WIDTH')

_reported: set[str] = set()  # scripts without a font that the user was told about


def families(texts: Iterable[str]) -> list[str]:
    """The font families that Matplotlib needs for `texts`, in the order to try them."""
    found = {BASE: None}
    for character in sorted(set().union(*map(writable, texts))):
        if name := _font_of(character):
            found[name] = None
    return list(found)


def runs(text: str) -> list[tuple[str, str]]:
    """Split a `writable` text into pieces, each with the font family that has its characters."""
    pieces: list[tuple[str, str]] = []
    for character in text:
        name = _font_of(character) or BASE
        if pieces and (name == pieces[-1][1] or character.isspace() or unicodedata.combining(character)):
            pieces[-1] = (pieces[-1][0] + character, pieces[-1][1])
        else:
            pieces.append((character, name))
    return pieces


def font_file(name: str, bold: bool = False) -> tuple[str, int]:
    """The file of a font family, and the index of the font in the file."""
    from matplotlib import font_manager

    properties = font_manager.FontProperties(family=[name], weight='bold' if bold else 'normal')
    path = font_manager.findfont(properties, fallback_to_default=False)
    return str(path), getattr(path, 'face_index', 0)


def writable(text: str) -> str:
    """Replace the characters of `text` that no font has: by their compatible form (NFKC), their sound
    (Hangul, kana), their name (emoji), else their code point. Prints once for each script what to install."""
    if text.isascii():
        return text
    missing = {c: _written(c) for c in set(text) if not c.isspace() and _font_of(c) is None}
    if not missing:
        return text
    written = ' '.join(''.join(missing.get(c, c) for c in text).split())
    for script in sorted({_script(c) for c, shown in missing.items() if shown} - _reported):
        _reported.add(script)
        say(
            f'  no installed font has the {script} characters of {" ".join(text.split())}, so pictures show '
            f'{written}. To fix it: apt-get install {PACKAGES.get(script, OTHER_PACKAGE)} (Debian, Ubuntu), '
            'elsewhere install a Noto font (https://fonts.google.com/noto)'
        )
    return written


def _written(character: str) -> str:
    """What replaces a character that no font has."""
    name = unicodedata.name(character, '')
    compatible = unicodedata.normalize('NFKC', character)
    if compatible != character and all(map(_font_of, compatible)):
        return compatible
    if UNSEEN.match(name):
        return ''
    if spelled := SPELLED.match(name):
        return spelled[1].lower()
    return f'[{name.lower()}]' if _script(character) == 'emoji' else f' U+{ord(character):04X} '


def _script(character: str) -> str:
    """'CJK', 'emoji', or the name of another script, such as 'Thai'."""
    name = unicodedata.name(character, 'unknown')
    if CJK.match(name):
        return 'CJK'
    return 'emoji' if unicodedata.category(character) == 'So' else name.split()[0].capitalize()


@cache
def _font_of(character: str) -> str | None:
    """The first font family that has a character; None if there is none."""
    if ord(character) in _characters(BASE):
        return BASE
    return next((name for name in _installed() if ord(character) in _characters(name)), None)


@cache
def _characters(name: str) -> frozenset[int]:
    """The code points of a font family; none for a bitmap font, which has one size only."""
    from matplotlib.ft2font import FT2Font

    with contextlib.suppress(ValueError, OSError, RuntimeError):  # no such font, or a damaged file
        font = FT2Font(font_file(name)[0])
        if font.scalable:
            return frozenset(font.get_charmap())
    return frozenset()


@cache
def _installed() -> tuple[str, ...]:
    """The names of the installed font families, the best fallback first."""
    import matplotlib
    from matplotlib import font_manager

    manager, own = font_manager.fontManager, Path(matplotlib.get_data_path())
    known = {entry.fname for entry in manager.ttflist}
    for file in sorted({*font_manager.findSystemFonts()} - known):  # installed after Matplotlib made its list
        with contextlib.suppress(Exception):  # it raises many kinds of errors for a damaged font
            manager.addfont(file)
    ranks = {
        entry.name: ('Noto Sans' not in entry.name, 'Sans' not in entry.name, getattr(entry, 'index', 0))
        for entry in reversed(manager.ttflist)
        if entry.style == 'normal' and own not in Path(entry.fname).parents
    }
    return tuple(sorted((name for name in ranks if not name.startswith(UNWANTED)), key=ranks.__getitem__))
