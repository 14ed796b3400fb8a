"""Convert old GraphDefs to the current version.

A GraphDef states the version of TensorFlow that produced it, and some ops are allowed only in old versions:
the 2015 Inception release (version 8) uses `BatchNormWithGlobalNormalization`. A graph joined with a new head
has one version, so old ops are replaced by current ones with the same result.
"""

from __future__ import annotations

from src.common.tf1 import tf

# Up to this GraphDef version an empty Placeholder shape meant "unknown" (tensorflow/core/public/version.h).
SCALAR_PLACEHOLDERS_SINCE = 24


def modernize(graph_def: tf.GraphDef) -> tf.GraphDef:
    """A copy of the graph in the current version; nodes other than old ones stay as they are.

    Outputs stay equal up to float32 rounding.
    """
    fresh = tf.GraphDef(library=graph_def.library)
    for node in graph_def.node:
        if node.op == 'BatchNormWithGlobalNormalization':
            fresh.node.extend(_fused_batch_norm(node))
        else:
            copy = fresh.node.add()
            copy.CopyFrom(node)
            if node.op == 'PlaceholderV2':  # the same as the Placeholder of today
                copy.op = 'Placeholder'
            elif node.op == 'Placeholder' and graph_def.versions.producer < SCALAR_PLACEHOLDERS_SINCE:
                _free_empty_shape(copy)
    fresh.versions.producer = max(graph_def.versions.producer, tf.version.GRAPH_DEF_VERSION)
    return fresh


def _fused_batch_norm(node: tf.NodeDef) -> list[tf.NodeDef]:
    """The equivalent FusedBatchNormV3, with a gamma of ones if the old op does not scale.

    BatchNormWithGlobalNormalization(t, m, v, beta, gamma) is (t - m) / sqrt(v + e) [* gamma] + beta.
    """
    t, mean, variance, beta, gamma = node.input[:5]
    made = []
    if not node.attr['scale_after_normalization'].b:
        ones = tf.NodeDef(name=node.name + '/unit_scale', op='OnesLike', input=[beta])
        ones.attr['T'].type = tf.float32.as_datatype_enum
        made.append(ones)
        gamma = ones.name
    fused = tf.NodeDef(name=node.name, op='FusedBatchNormV3', device=node.device)
    fused.input.extend([t, gamma, beta, mean, variance, *node.input[5:]])
    fused.attr['T'].type = tf.float32.as_datatype_enum
    fused.attr['U'].type = tf.float32.as_datatype_enum
    fused.attr['epsilon'].f = node.attr['variance_epsilon'].f
    fused.attr['is_training'].b = False
    fused.attr['data_format'].s = b'NHWC'
    return [*made, fused]


def _free_empty_shape(placeholder: tf.NodeDef) -> None:
    shape = placeholder.attr['shape'].shape
    if not shape.dim and placeholder.attr['dtype'].type != tf.string.as_datatype_enum:
        shape.unknown_rank = True
