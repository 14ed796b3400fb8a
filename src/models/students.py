"""Small networks from pixels to a bottleneck, to be trained by distillation, by name.

Most are residual networks (He et al. 2016, arXiv:1512.03385) of 3 x 3 convolutions, which CPUs train fast.
Each stage halves height and width. The first convolution works on blocks of 4 x 4 pixels. MobileNet V2 has
depthwise convolutions: fewer multiplications for the same accuracy, each of which takes longer to train.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from src.common.errors import UserError
from src.common.tf1 import tf
from src.models.layers import INFERENCE, Mode, batch_norm, conv, depthwise

SCOPE = 'student'
BLOCK = 4  # pixels on a side that the first convolution sees as one place
MOMENTUM = 0.95  # of batch norm's moving averages


def _residual_network(stages: Sequence[tuple[int, int]], last: int):
    """A network of stages of (filters, residual blocks), and a convolution 1 x 1 with `last` filters."""

    def network(pixels: tf.Tensor, mode: Mode) -> tf.Tensor:
        x = tf.nn.space_to_depth(pixels, BLOCK)
        for stage, (filters, blocks) in enumerate(stages, 1):
            x = _unit(x, filters, 3, f'stage{stage}', mode, stride=1 if stage == 1 else 2)
            for block in range(1, blocks + 1):
                x = _residual_block(x, f'stage{stage}/block{block}', mode)
        return tf.reduce_mean(_unit(x, last, 1, 'last', mode), [1, 2])

    return network


def _residual_block(x: tf.Tensor, name: str, mode: Mode) -> tf.Tensor:
    filters = x.shape.as_list()[-1]
    y = _unit(x, filters, 3, f'{name}/a', mode)
    y = batch_norm(conv(y, filters, 3, f'{name}/b', bias=False), f'{name}/b/norm', mode, MOMENTUM)
    return tf.nn.relu(tf.add(x, y, f'{name}/add'), f'{name}/Relu')


def _unit(x: tf.Tensor, filters: int, size: int, name: str, mode: Mode, stride: int = 1) -> tf.Tensor:
    """Convolution, batch norm, ReLU."""
    y = conv(x, filters, size, name, bias=False, stride=stride)
    return tf.nn.relu(batch_norm(y, f'{name}/norm', mode, MOMENTUM), f'{name}/Relu')


# Expansion, filters, blocks and stride of the first one (Sandler et al. 2018, arXiv:1801.04381, table 2).
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _mobilenet_v2(pixels: tf.Tensor, mode: Mode) -> tf.Tensor:
    """MobileNet V2 with ReLU in the place of ReLU6."""
    x = _unit(pixels, 32, 3, 'stem', mode, stride=2)
    for stage, (expansion, filters, blocks, stride) in enumerate(MOBILENET_V2, 1):
        for block in range(1, blocks + 1):
            name = f'stage{stage}/block{block}'
            x = _inverted_block(x, expansion, filters, stride if block == 1 else 1, name, mode)
    return tf.reduce_mean(_unit(x, 1280, 1, 'last', mode), [1, 2])


def _inverted_block(
    x: tf.Tensor, expansion: int, filters: int, stride: int, name: str, mode: Mode
) -> tf.Tensor:
    channels = x.shape.as_list()[-1]
    y = _unit(x, channels * expansion, 1, f'{name}/expand', mode) if expansion > 1 else x
    y = depthwise(y, 3, f'{name}/depthwise', stride)
    y = tf.nn.relu(batch_norm(y, f'{name}/depthwise/norm', mode, MOMENTUM), f'{name}/depthwise/Relu')
    y = batch_norm(conv(y, filters, 1, f'{name}/project', bias=False), f'{name}/project/norm', mode, MOMENTUM)
    return tf.add(x, y, f'{name}/add') if stride == 1 and channels == filters else y


Student = Callable[['tf.Tensor', Mode], 'tf.Tensor']

STUDENTS: dict[str, Student] = {
    # Stages of (filters, residual blocks).
    'resnet_tiny': _residual_network([(48, 1), (96, 1), (192, 1)], 512),
    'resnet_small': _residual_network([(64, 1), (128, 1), (256, 1)], 512),
    'resnet_wide': _residual_network([(32, 1), (96, 1), (256, 1)], 512),
    'resnet_deep': _residual_network([(32, 1), (96, 2), (192, 2)], 512),
    'mobilenet_v2': _mobilenet_v2,
}


def find_student(name: str) -> Student:
    """The network of this name. Raises UserError, with similar names, when there is none."""
    if name not in STUDENTS:
        near = difflib.get_close_matches(name, STUDENTS, 3, 0.4) or list(STUDENTS)
        raise UserError(f'unknown student {name!r}; there is {", ".join(near)}')
    return STUDENTS[name]


def bottleneck_of(name: str, pixels: tf.Tensor, mode: Mode = INFERENCE) -> tf.Tensor:
    """The bottleneck [N, width] float32 of the student `name` for pixels [N, height, width, 3] from 0 to 255;
    height and width are multiples of BLOCK. The variables are under `student/`."""
    scaled = tf.cast(tf.cast(pixels, tf.float32) * (2 / 255) - 1, mode.dtype)
    with tf.variable_scope(SCOPE, reuse=tf.AUTO_REUSE):
        return tf.cast(find_student(name)(scaled, mode), tf.float32)
