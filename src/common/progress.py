"""Progress bars, and the lines that a command prints."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from src.common import columns, commands, paths
from src.common.errors import UserError

if TYPE_CHECKING:
    from tqdm import tqdm

PATH_COLUMNS = 43  # of a path in a list of files, at least


def progress(total: int | None, what: str, unit: str, done: int = 0, **options) -> tqdm:
    """A progress bar on standard error with rate and remaining time; it starts at `done` of `total` units.

    If standard error is not a terminal (a log file), prints a line every 30 seconds instead.
    """
    from tqdm import tqdm  # takes hundredths of a second

    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=columns.on_one_line(what),
        unit=unit if unit == 'B' else ' ' + unit,
        unit_scale=unit == 'B',
        mininterval=0.2 if terminal else 30,
        maxinterval=0.2 if terminal else 30,
        delay=0 if terminal else 30,
        dynamic_ncols=terminal,
        file=sys.stderr if terminal else _Lines(),
        leave=False,
        smoothing=0.1,
        **options,
    )


class _Lines:
    """A stream that turns the updates of a bar into lines of a log."""

    def write(self, text: str) -> None:
        if text := text.strip('\r\n '):
            sys.stderr.write(text + '\n')

    def flush(self) -> None:
        sys.stderr.flush()


def say(line: str = '') -> None:
    """Print a line on standard output, above any running bar. Raises UserError if it cannot be written."""
    try:
        bars = sys.modules.get('tqdm')  # not loaded while there was no bar
        write = bars.tqdm.write if bars else print
        write(columns.escaped(commands.as_typed(line)), file=sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe: errors.run ends the command
        raise
    except OSError as error:
        raise UserError(f'cannot write to standard output: {error.strerror or error}') from error


def remark(line: str) -> None:
    """Print a line on standard error, so that it is not among the results."""
    print(columns.on_one_line(commands.as_typed(line)), file=sys.stderr, flush=True)


def wrote(path: Path, what: str, listed: Iterable[Path] = ()) -> None:
    """Print the path of a file or folder that a command wrote, and what it is. `listed` are the paths of the
    list that it is in: what they are begins in one column."""
    first, *others = (columns.on_one_line(paths.shown(one)) for one in (path, *listed))
    column = max(PATH_COLUMNS, *map(columns.width, (first, *others)))
    say(f'  {columns.ljust(first, column)}  {what}')


def next_step(command: str) -> None:
    """Print the command to run next."""
    say(f'next: {command}')
