"""Muon: SGD with momentum whose update of each weight matrix is replaced by the nearest orthogonal matrix.

All directions of a layer then learn at the same rate, rare ones too. Method: Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon/. Constants: https://github.com/KellerJordan/cifar10-airbench.
"""

from __future__ import annotations

from src.common.tf1 import tf

# Coefficients of a quintic polynomial that moves the singular values of a matrix of norm 1 towards 1. They
# are tuned for few steps: the values end between 0.7 and 1.2, not at 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 3


def step_of_muon(
    gradients: list[tuple[tf.Tensor, tf.Variable]], rate: tf.Tensor, momentum: float, dtype: str
) -> tf.Operation:
    """One step with Nesterov momentum on convolution filters.

    `gradients`: pairs of gradient and variable, both [height, width, channels, filters] float32. Weights are
    rescaled to norm sqrt(filters). `rate`: scalar float32, the size of the step in each direction. `dtype`:
    what the orthogonal matrices are computed in.
    """
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
    """An approximation of the orthogonal matrix nearest to `matrix` [m, n], by Newton-Schulz iteration.

    Large singular values become 0.7 to 1.2; those below some hundredths of the norm are only raised. The
    iteration needs only products and sums, so bfloat16 is accurate enough. Each step multiplies x with a
    polynomial of its Gram matrix. These are multiplied first, as they are smaller than x, which halves the
    time where a side of the matrix is several times the other.
    """
    rows, columns = matrix.shape.as_list()
    tall = rows >= columns
    x = matrix if tall else tf.transpose(matrix)
    x /= tf.norm(x) + 1e-7  # zeros stay zeros
    a, b, c = COEFFICIENTS
    gram = tf.matmul(x, x, transpose_a=True)
    product = identity = tf.eye(min(rows, columns), dtype=x.dtype)
    for step in range(STEPS):
        factor = a * identity + b * gram + c * tf.matmul(gram, gram)
        product = tf.matmul(product, factor) if step else factor
        if step < STEPS - 1:  # the Gram matrix of the next x
            gram = tf.matmul(factor, tf.matmul(gram, factor))
    x = tf.matmul(x, product)
    return x if tall else tf.transpose(x)


def _momentum_of(variable: tf.Variable) -> tf.Variable:
    name = f'{variable.op.name}/Muon'
    return tf.get_variable(name, variable.shape, tf.float32, tf.zeros_initializer(), trainable=False)
