"""Fonts for names in any script: DejaVu Sans, then installed fonts that have the characters it lacks.

Matplotlib and Pillow get the same fonts. A character that no installed font has is written another way
(`writable`), and the user is told once which font to install. Arabic, Hebrew and Indic scripts are shaped and
ordered where libraqm is built in: in Pillow's wheels, and in Matplotlib from 3.11 on.
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

# It warns on standard error of caches it builds, and of characters that a font lacks.
logging.getLogger('matplotlib').setLevel(logging.ERROR)

BASE = 'DejaVu Sans'  # comes with Matplotlib
# Before a line of several names: the first stays at the left, even if it is Arabic or Hebrew.
LEFT_TO_RIGHT = '\N{LEFT-TO-RIGHT MARK}'
# They have a placeholder for every character, or draw letters as coarse pixels.
UNWANTED = ('Last Resort', 'LastResort', 'Adobe Blank', 'Unifont')
# Debian and Ubuntu packages with an outline font, tried with this module.
PACKAGES = {'CJK': 'fonts-noto-cjk', 'emoji': 'fonts-symbola'}
OTHER_PACKAGE = 'fonts-noto-core'

CJK = re.compile('CJK|HANGUL|HIRAGANA|KATAKANA|BOPOMOFO|IDEOGRAPHIC|FULLWIDTH|HALFWIDTH')
SPELLED = re.compile('(?:HANGUL SYLLABLE|HIRAGANA LETTER|KATAKANA LETTER) ([A-Z]+)$')
UNSEEN = re.compile('VARIATION SELECTOR|EMOJI MODIFIER|ZERO WIDTH')

_told: set[str] = set()  # scripts that a font was missed for


def families(texts: Iterable[str]) -> list[str]:
    """The font families with which Matplotlib can write `texts`, in the order to try them."""
    found = {BASE: None}
    for character in sorted(set().union(*map(writable, texts))):
        if name := _font_of(character):
            found[name] = None
    return list(found)


def runs(text: str) -> list[tuple[str, str]]:
    """A `writable` text in pieces, each with the font family that has it."""
    pieces: list[tuple[str, str]] = []
    for character in text:
        name = _font_of(character) or BASE
        if pieces and (name == pieces[-1][1] or character.isspace() or unicodedata.combining(character)):
            pieces[-1] = (pieces[-1][0] + character, pieces[-1][1])
        else:
            pieces.append((character, name))
    return pieces


def font_file(name: str, bold: bool = False) -> tuple[str, int]:
    """The file of a font family, and the place of the font in it."""
    from matplotlib import font_manager

    properties = font_manager.FontProperties(family=[name], weight='bold' if bold else 'normal')
    path = font_manager.findfont(properties, fallback_to_default=False)
    return str(path), getattr(path, 'face_index', 0)


def writable(text: str) -> str:
    """`text` with each character that no font has written another way: in its compatible form, by its sound
    (Hangul, kana) or its name (emoji), else by its number. Says once for each script what to install."""
    if text.isascii():
        return text
    missing = {c: _written(c) for c in set(text) if not c.isspace() and _font_of(c) is None}
    if not missing:
        return text
    written = ' '.join(''.join(missing.get(c, c) for c in text).split())
    for script in sorted({_script(c) for c, shown in missing.items() if shown} - _told):
        _told.add(script)
        say(
            f'  no installed font has the {script} characters of {" ".join(text.split())}, so pictures say '
            f'{written}. What helps: apt-get install {PACKAGES.get(script, OTHER_PACKAGE)} (Debian, Ubuntu), '
            'elsewhere a Noto font (https://fonts.google.com/noto)'
        )
    return written


def _written(character: str) -> str:
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
    """The first font family that has a character."""
    if ord(character) in _characters(BASE):
        return BASE
    return next((name for name in _installed() if ord(character) in _characters(name)), None)


@cache
def _characters(name: str) -> frozenset[int]:
    """The characters of a font family; none of a font of bitmaps, which have one size only."""
    from matplotlib.ft2font import FT2Font

    with contextlib.suppress(ValueError, OSError, RuntimeError):  # no such font, or a damaged file
        font = FT2Font(font_file(name)[0])
        if font.scalable:
            return frozenset(font.get_charmap())
    return frozenset()


@cache
def _installed() -> tuple[str, ...]:
    """The names of the font families of this machine, the best to fall back on first."""
    import matplotlib
    from matplotlib import font_manager

    manager, own = font_manager.fontManager, Path(matplotlib.get_data_path())
    known = {entry.fname for entry in manager.ttflist}
    for file in sorted({*font_manager.findSystemFonts()} - known):  # installed since Matplotlib listed them
        with contextlib.suppress(Exception):  # it raises many kinds for a damaged font
            manager.addfont(file)
    ranks = {
        entry.name: ('Noto Sans' not in entry.name, 'Sans' not in entry.name, getattr(entry, 'index', 0))
        for entry in reversed(manager.ttflist)
        if entry.style == 'normal' and own not in Path(entry.fname).parents
    }
    return tuple(sorted((name for name in ranks if not name.startswith(UNWANTED)), key=ranks.__getitem__))
