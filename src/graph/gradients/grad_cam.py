"""Grad-CAM: which places of the last feature map speak for a class.

Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391.
"""

from __future__ import annotations

from collections.abc import Sequence

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.gradients.gradient import gradient
from src.graph.gradients.imported import is_feature_map
from src.graph.layer_list import ops_between

_SAME_VALUES = ('Identity', 'Reshape', 'Squeeze')
LEAST_PROBABILITY = 1e-12  # keeps the logarithm finite


def grad_cam(features: tf.Tensor, scores: tf.Tensor, class_index: tf.Tensor) -> tf.Tensor:
    """ReLU(sum over channels k of a_k * features_k), a_k the mean over all places of
    d score / d features_k (equations 1 and 2 of the paper). Nothing is scaled.

    features: [N, h, w, channels]. scores: [N, classes]. class_index: int32 scalar. Returns [N, h, w].
    Raises UserError when there is no gradient.
    """
    slopes = gradient(tf.gather(scores, class_index, axis=1), features)
    weights = tf.reduce_mean(slopes, [1, 2], keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * features, -1))


def joined_grad_cam(features: Sequence[tf.Tensor], scores: tf.Tensor, class_index: tf.Tensor) -> tf.Tensor:
    """The maps of networks that are joined, added up at the resolution of the finest: [N, h, w].

    `grad_cam` divides the share that a network has in the score by the number of places of its feature map;
    this is undone, so that each network counts by its share.
    """
    maps = [
        tf.cast(tf.reduce_prod(tf.shape(one)[1:3]), tf.float32) * grad_cam(one, scores, class_index)
        for one in features
    ]
    size = tf.reduce_max([tf.shape(one)[1:3] for one in features], 0)
    return tf.add_n([tf.image.resize_bilinear(one[..., None], size)[..., 0] for one in maps])


def last_feature_map(pixels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """The feature map [N, h, w, channels] that is nearest before `output`, of more than one position: in most
    networks the one that is pooled to the bottleneck. Raises UserError when there is none."""
    return last_feature_maps(pixels, output)[0]


def last_feature_maps(pixels: tf.Tensor, output: tf.Tensor) -> list[tf.Tensor]:
    """The feature maps that are nearest before `output` on each path, the nearest first: those of all
    joined networks. Raises UserError when there is none."""
    if found := _last_feature_maps(pixels, output):
        return found
    raise UserError(f'no feature map [N, height, width, channels] leads to {output.name}: Grad-CAM needs one')


def has_feature_map(pixels: tf.Tensor, output: tf.Tensor) -> bool:
    """Whether `last_feature_maps` finds one."""
    return bool(_last_feature_maps(pixels, output))


def _last_feature_maps(pixels: tf.Tensor, output: tf.Tensor) -> list[tf.Tensor]:
    between = ops_between(pixels, output)
    waiting, seen, found = [output.op], set(), []
    while waiting:
        op = waiting.pop(0)
        if op is pixels.op or op in seen or op not in between:
            continue
        seen.add(op)
        if is_feature_map(op.outputs[0]):
            found.append(op.outputs[0])
        else:
            waiting.extend(tensor.op for tensor in op.inputs)
    return found


def class_scores(output: tf.Tensor) -> tf.Tensor:
    """The scores [N, classes] before the softmax or sigmoid; log(probability) where there is neither."""
    op = output.op
    while op.type in _SAME_VALUES:
        op = op.inputs[0].op
    if op.type in ('Softmax', 'Sigmoid'):  # a one-unit model ends in Sigmoid([-x, x])
        logits = op.inputs[0]
        return tf.reshape(logits, [tf.shape(logits)[0], output.shape[-1]])
    rows = tf.reshape(output, [tf.shape(output)[0], output.shape[-1]])
    return tf.log(tf.maximum(rows, LEAST_PROBABILITY))
