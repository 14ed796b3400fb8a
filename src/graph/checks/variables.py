"""Variables in a graph, whose values are not in its file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.files import count
from src.common.tf1 import tf
from src.graph.checks.file_kinds import FREEZE_1, FREEZE_2

VARIABLES = (
    *('Variable', 'VariableV2', 'AutoReloadVariable', 'VarHandleOp', '_VarHandlesOp', 'TemporaryVariable'),
)


def refuse_variables(nodes: Iterable[tf.NodeDef], path: Path) -> None:
    """Raise UserError, with the first names, if there are variables among the nodes."""
    variables = [node.name for node in nodes if _is_variable(node)]
    if variables:
        names = ', '.join(variables[:3]) + (', ...' if len(variables) > 3 else '')
        raise UserError(
            f'{paths.shown(path)} is not frozen: its weights are not in the file but in '
            f'{count(len(variables), "variable")} ({names}). Write the graph that {FREEZE_1} returns '
            f'(in TensorFlow 2: {FREEZE_2})'
        )


def _is_variable(node: tf.NodeDef) -> bool:
    resource = node.op == 'Placeholder' and node.attr['dtype'].type == tf.resource.as_datatype_enum
    return resource or node.op in VARIABLES
