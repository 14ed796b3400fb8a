"""Progress bars, and the lines a command prints."""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from src.common import columns, commands, paths
from src.common.errors import UserError


def progress(total: int | None, what: str, unit: str, done: int = 0, **options) -> tqdm:
    """A bar on standard error with rate and time left; `done` of `total` units lie behind it.

    Where nobody watches (a log file), a line every half minute takes its place.
    """
    watched = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=what,
        unit=unit if unit == 'B' else ' ' + unit,
        unit_scale=unit == 'B',
        mininterval=0.2 if watched else 30,
        maxinterval=0.2 if watched else 30,
        delay=0 if watched else 30,
        dynamic_ncols=watched,
        file=sys.stderr if watched else _Lines(),
        leave=False,
        smoothing=0.1,
        **options,
    )


class _Lines:
    """Turns a bar's rewriting of one line into lines of a log."""

    def write(self, text: str) -> None:
        if text := text.strip('\r\n '):
            sys.stderr.write(text + '\n')

    def flush(self) -> None:
        sys.stderr.flush()


def say(line: str = '') -> None:
    """One line for the user on standard output, above any running bar."""
    try:
        tqdm.write(commands.as_typed(line), file=sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough: errors.run ends the command
        raise
    except OSError as error:
        raise UserError(f'cannot write to standard output: {error.strerror or error}') from error


def wrote(path: Path, what: str) -> None:
    """Name a file or folder that a command made."""
    say(f'  {columns.ljust(paths.shown(path), 43)}  {what}')


def next_step(command: str) -> None:
    say(f'next: {command}')
