"""Muon: momentum, of which each step on a layer's weights is turned into the nearest orthogonal matrix.

So a layer learns as fast in the directions that its pictures seldom speak of as in the loud ones. By Keller
Jordan and others 2024, "Muon: an optimizer for hidden layers in neural networks"; the numbers are those of
the same authors' training on CIFAR-10.
"""

from __future__ import annotations

from src.common.tf1 import tf

# Of a polynomial that brings the singular values of a matrix of norm 1 near 1. It does so in few steps, as it
# need not meet 1 itself.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 3


def step_of_muon(
    gradients: list[tuple[tf.Tensor, tf.Variable]], rate: tf.Tensor, momentum: float, dtype: str
) -> tf.Operation:
    """One step, with Nesterov's momentum, on filters of convolutions [height, width, channels, filters]
    float32, given with their gradients. They are kept at the norm of as many filters of length 1; `rate` is
    what each direction moves by. The orthogonal matrices are computed in `dtype`."""
    applied = []
    for gradient, variable in gradients:
        held = _momentum_of(variable)
        moved = tf.assign(held, momentum * held + gradient)
        flat = tf.reshape(gradient + momentum * moved, [-1, variable.shape.as_list()[-1]])
        direction = tf.cast(orthogonal(tf.cast(flat, dtype)), tf.float32)
        norm = variable.shape.as_list()[-1] ** 0.5
        kept = variable * (norm / tf.norm(variable))
        applied.append(tf.assign(variable, kept - rate * tf.reshape(direction, variable.shape)))
    return tf.group(*applied)


def orthogonal(matrix: tf.Tensor) -> tf.Tensor:
    """Nearly the orthogonal matrix nearest to `matrix` [m, n], by Newton and Schulz' iteration: the large
    singular values become 0.7 to 1.2, those below some hundredths of the norm are only raised. It multiplies
    and adds alone, so bfloat16 is exact enough."""
    rows, columns = matrix.shape.as_list()
    tall = rows >= columns
    x = matrix if tall else tf.transpose(matrix)
    x /= tf.norm(x) + 1e-7  # zeros stay zeros
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        square = tf.matmul(x, x, transpose_a=True)
        x = a * x + tf.matmul(x, b * square + c * tf.matmul(square, square))
    return x if tall else tf.transpose(x)


def _momentum_of(variable: tf.Variable) -> tf.Variable:
    name = f'{variable.op.name}/Muon'
    return tf.get_variable(name, variable.shape, tf.float32, tf.zeros_initializer(), trainable=False)
