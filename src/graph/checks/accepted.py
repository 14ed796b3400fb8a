"""What TensorFlow says of a graph that it does not accept or run, as one line for the user."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TypeVar

from src.common import paths
from src.common.errors import LONGEST_REASON, LONGEST_SEARCHED, UserError, disk_fault
from src.common.tf1 import tf

Loaded = TypeVar('Loaded')


class NotAccepted(UserError):
    """TensorFlow does not accept a graph; the message does not name its file."""


def import_graph(graph_def: tf.GraphDef, *args, **options) -> list[tf.Tensor] | None:
    """`tf.import_graph_def`, for graphs that others made. Raises NotAccepted."""
    try:
        return tf.import_graph_def(graph_def, *args, **options)
    except (ValueError, KeyError, TypeError, NotImplementedError, tf.errors.OpError) as error:
        raise NotAccepted(said(error)) from error


def said(error: Exception) -> str:
    """What an error of TensorFlow says, with the node but without the rest."""
    if traced := re.search(r"^Node: '(.+)'\n(.+)", str(error), re.MULTILINE):  # after where it was defined
        return f'{traced[1]}: {traced[2]}'[:LONGEST_REASON]
    text = str(error)[:LONGEST_SEARCHED].strip('"\'').strip()
    node = re.search(r'\{\{node ([^}]+)\}\}|node \'?([\w/.-]+)\'?', text)
    line = re.sub(r'\s*\[\[.*', '', text.splitlines()[0] if text else type(error).__name__)[:LONGEST_REASON]
    name = node and (node[1] or node[2])
    return f'{name}: {line}' if name and name not in line else line


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Within, what TensorFlow says of the graph in a file is raised as a UserError that names the file."""
    try:
        yield
    except NotAccepted as error:
        raise UserError(f'TensorFlow does not accept {paths.shown(path)}: {error}') from error
    except tf.errors.OpError as error:
        if disk_fault(error):
            raise
        raise UserError(f'{paths.shown(path)} does not run: {said(error)}') from error


def names_faults(load: Callable[..., Loaded]) -> Callable[..., Loaded]:
    """Decorator of functions whose first argument is the path of a graph: `faults_named` within them."""

    @wraps(load)
    def loading(path: Path, *args, **options) -> Loaded:
        with faults_named(path):
            return load(path, *args, **options)

    return loading
