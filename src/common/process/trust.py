"""Whether this process trusts the makers of the graphs that it loads.

A graph is a program: it may read and write files, or run Python. Graphs with such ops are refused
(graph/checks/side_effects.py) unless a command is given --trust, or a program calls `set_trusted`.
"""

from __future__ import annotations

FLAG = '--trust'
HELP = (
    'run graphs that read or write files, run Python or use the network; without it they are refused, as a '
    'graph is a program that runs with your rights'
)


class _Process:
    trusted = False


def set_trusted(trusted: bool) -> None:
    """For all graphs that this process loads from now on."""
    _Process.trusted = trusted


def is_trusted(trusted: bool | None = None) -> bool:
    """`trusted`, or what holds for the process if it is None."""
    return _Process.trusted if trusted is None else trusted
