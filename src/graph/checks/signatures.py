"""How many inputs and outputs a node has by its op, and whether its attributes are those of the op.

From the OpDef of the op (tensorflow/core/framework/op_def.proto): an argument is one tensor, `number_attr`
tensors, or as many as the list `type_list_attr` names types.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from src.common.tf1 import op_def, tf

# By type of an attribute, the field of AttrValue that holds it; of lists, that of AttrValue.ListValue.
FIELDS = {
    **{'string': 's', 'int': 'i', 'float': 'f', 'bool': 'b', 'type': 'type', 'shape': 'shape'},
    **{'tensor': 'tensor', 'func': 'func'},
}
MOST = 1 << 16  # tensors that a single argument may be


class Signature(NamedTuple):
    """The numbers of inputs, without control inputs, and of outputs; None if they are not known.

    fault: what is wrong with the attributes, as the end of a sentence.
    """

    inputs: int | None = None
    outputs: int | None = None
    fault: str = ''


@dataclass(frozen=True)
class _Op:
    """What of an OpDef is needed: by attribute, its field, whether it is a list, and its smallest number if
    that is given; the attributes without a default; and the defaults. The arguments are pairs
    (number_attr, type_list_attr)."""

    attributes: dict[str, tuple[str, bool, int | None]]
    required: tuple[str, ...]
    defaults: dict[str, tf.AttrValue]
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    plain: Signature | None  # if it does not depend on attributes


def signature_of(node: tf.NodeDef, op: str | None) -> Signature:
    """The signature of a node by its op; unknown for None, or an op that is not registered."""
    known = _op(op) if op else None
    if known is None:
        return Signature()
    attr = node.attr
    for name in known.required:
        if name not in attr:
            return Signature(fault=f'lacks the attribute {name}')
    for name, value in attr.items():
        if name in known.attributes and (fault := _fault(value, *known.attributes[name])):
            return Signature(fault=f'has an attribute {name} {fault}')
    if known.plain:
        return known.plain
    counts = [
        sum(_number(node, known, *argument) for argument in arguments)
        for arguments in (known.inputs, known.outputs)
    ]
    return Signature(*counts)


def _fault(value: tf.AttrValue, field: str, is_list: bool, least: int | None) -> str:
    """What is wrong with the value of an attribute."""
    kind = value.WhichOneof('value')
    if is_list:
        if kind != 'list':
            return 'that is no list'
        types = value.list.type if field == 'type' else ()
    elif kind != field:
        return f'that is no {field if len(field) > 1 else _WORDS[field]}'
    else:
        types = (value.type,) if field == 'type' else ()
    if not all(map(_is_type, types)):
        return 'of a type that TensorFlow does not have'
    if least is not None and not is_list and field == 'i' and not least <= value.i:
        return f'of {value.i}, which is less than {least}'
    return ''


_WORDS = {'s': 'text', 'i': 'whole number', 'f': 'number', 'b': 'boolean'}


def _number(node: tf.NodeDef, known: _Op, number_attr: str, type_list_attr: str) -> int:
    """How many tensors an argument is."""
    name = number_attr or type_list_attr
    if not name:
        return 1
    value = node.attr[name] if name in node.attr else known.defaults[name]
    return min(value.i, MOST) if number_attr else len(value.list.type)


@cache
def _op(name: str) -> _Op | None:
    definition = op_def(name)
    if definition is None:
        return None
    attributes = {}
    for attr in definition.attr:
        kind = attr.type
        is_list = kind.startswith('list(')
        field = FIELDS[kind.removeprefix('list(').removesuffix(')')]
        attributes[attr.name] = field, is_list, attr.minimum if attr.has_minimum else None
    with_default = {a.name: a.default_value for a in definition.attr if a.HasField('default_value')}
    arguments = [
        tuple((arg.number_attr, arg.type_list_attr) for arg in args)
        for args in (definition.input_arg, definition.output_arg)
    ]
    plain = not any(name for args in arguments for pair in args for name in pair)
    return _Op(
        attributes,
        tuple(name for name in attributes if name not in with_default),
        with_default,
        *arguments,
        Signature(*map(len, arguments)) if plain else None,
    )


@cache
def _is_type(number: int) -> bool:
    try:
        return bool(tf.as_dtype(number))
    except TypeError:
        return False
