"""Check a constant: its tensor must be that of its attributes.

TensorFlow 2.21 aborts the process for some that are not, such as a tensor of another dtype than `dtype`, and
allocates what the shape says, however few values the file holds.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from src.common.errors import first_line
from src.common.tf1 import tf
from src.graph.checks.accepted import NotAccepted

# A constant may be larger than its values in the file, as the last one is repeated: up to so many bytes.
MOST_REPEATED = 1 << 28
LARGE = 16_384  # bytes
TEXT_BYTES = 24  # that TensorFlow holds for a text, beside its characters
# Fields of TensorProto for the values of dtypes; all other dtypes are in `int_val` (tensor.proto).
FIELDS = {
    'float32': 'float_val',
    'float64': 'double_val',
    'int64': 'int64_val',
    'uint32': 'uint32_val',
    'uint64': 'uint64_val',
    'bool': 'bool_val',
    'complex64': 'scomplex_val',
    'complex128': 'dcomplex_val',
    'bfloat16': 'half_val',
    'float16': 'half_val',
    'string': 'string_val',
}


def fault_of_constant(node: tf.NodeDef) -> str:
    """What is wrong with a Const node, as the end of a sentence; '' if nothing is."""
    if 'value' not in node.attr or node.attr['value'].WhichOneof('value') != 'tensor':
        return 'has no value'
    tensor, kind = node.attr['value'].tensor, node.attr['dtype'].type
    if tensor.dtype != kind:
        return 'holds another type than it says'
    size, field = _kind(kind)
    if field is None:
        return 'holds values of a kind that a file cannot hold'
    return _fault_of_size(tensor, size, field)


def array_of(node: tf.NodeDef) -> np.ndarray:
    """The value of a Const node. Raises NotAccepted if the file does not hold as many numbers as its shape
    says, which `fault_of_constant` leaves open for weights."""
    try:
        return tf.make_ndarray(node.attr['value'].tensor)
    except (ValueError, TypeError) as error:
        raise NotAccepted(f'the constant {node.name} is damaged: {first_line(error)}') from error


@cache
def _kind(number: int) -> tuple[int, str | None]:
    """The bytes of a value of a dtype, and the field for values; (0, None) for what no constant can be."""
    try:
        dtype = tf.as_dtype(number)
    except TypeError:
        return 0, None
    if dtype in (tf.resource, tf.variant) or dtype._is_ref_dtype:
        return 0, None
    if dtype == tf.string:
        return TEXT_BYTES, 'string_val'
    field = 'float8_val' if dtype.name.startswith('float8') else FIELDS.get(dtype.name, 'int_val')
    return dtype.size, field


def _fault_of_size(tensor: tf.TensorProto, size: int, field: str) -> str:
    shape = tensor.tensor_shape
    sizes = [dim.size for dim in shape.dim]
    if shape.unknown_rank or min(sizes, default=0) < 0:
        return 'has no fixed shape'
    number, values = math.prod(sizes), getattr(tensor, field)
    if not values and LARGE < number * size <= MOST_REPEATED:
        return ''  # weights: reading their length would copy them, and TensorFlow compares it with the shape
    if content := len(tensor.tensor_content):
        if field == 'string_val':
            return 'holds texts in a form that is not supported'
        return '' if content == number * size else f'holds {content:,} bytes, which is not {sizes}'
    given = len(values) // (2 if 'complex' in field else 1)
    if given > number:
        return f'holds {given:,} values, which is not {sizes}'
    if number * size > max(MOST_REPEATED, given * size):
        return f'would take {number * size / 1e9:,.1f} GB for {given:,} values'
    return ''
