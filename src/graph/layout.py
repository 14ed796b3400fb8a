"""Find the channel axis of a tensor: 3 in NHWC, 1 in NCHW.

The shape alone is ambiguous: [N, 32, 16, 16] may be 32 channels of 16 x 16 or 16 channels of 32 x 16. The
graph is searched backwards from the tensor, through transposes, for the nearest ops that state the layout
(`data_format`). The axis is known if they all agree.
"""

from __future__ import annotations

from src.common.tf1 import tf

# Ops with the attribute data_format, which is NHWC where it is missing.
BY_DATA_FORMAT = {
    'AvgPool',
    'BiasAdd',
    'Conv2D',
    'Conv2DBackpropInput',
    'DepthToSpace',
    'DepthwiseConv2dNative',
    'FusedBatchNorm',
    'FusedBatchNormV2',
    'FusedBatchNormV3',
    'MaxPool',
    'MaxPoolV2',
    'SpaceToDepth',
    '_FusedBatchNormEx',
    '_FusedConv2D',
}
# Ops that exist for NHWC only (their documentation, tensorflow/core/ops/{nn,image,array}_ops.cc).
ALWAYS_LAST = {
    'BatchNormWithGlobalNormalization',
    'CropAndResize',
    'Dilation2D',
    'FractionalAvgPool',
    'FractionalMaxPool',
    'LRN',
    'MaxPoolWithArgmax',
    'QuantizedAvgPool',
    'QuantizedConv2D',
    'QuantizedMaxPool',
    'ResizeArea',
    'ResizeBicubic',
    'ResizeBilinear',
    'ResizeNearestNeighbor',
    'ScaleAndTranslate',
}
# Ops whose output has the axes of their inputs of the same rank.
KEEPS_AXES = {
    *('Abs', 'Add', 'AddN', 'AddV2', 'Cast', 'CheckNumerics', 'ClipByValue', 'Concat', 'ConcatV2'),
    *('Dequantize', 'Div', 'DivNoNan', 'Elu', 'Erf', 'Erfc', 'Exit', 'Exp', 'FakeQuantWithMinMaxArgs'),
    *('FakeQuantWithMinMaxVars', 'Identity', 'IdentityN', 'LeakyRelu', 'Log', 'Max', 'Maximum', 'Mean'),
    *('Merge', 'Min', 'Minimum', 'MirrorPad', 'Mul', 'Neg', 'Pad', 'PadV2', 'PlaceholderWithDefault'),
    *('Pow', 'PreventGradient', 'QuantizeV2', 'QuantizedRelu', 'QuantizedRelu6', 'RealDiv', 'Relu'),
    *('Relu6', 'Requantize', 'ReverseV2', 'Rsqrt', 'Select', 'SelectV2', 'Selu', 'Sigmoid', 'Slice'),
    *('Snapshot', 'Softplus', 'Softsign', 'Sqrt', 'Square', 'SquaredDifference', 'StopGradient'),
    *('StridedSlice', 'Sub', 'Sum', 'Switch', 'Tanh', 'Tile'),
}


def channel_axis(tensor: tf.Tensor, pixels: str) -> int | None:
    """The channel axis of a tensor of rank 4 whose first axis is the batch.

    `pixels` is the name of the tensor of images [N, height, width, 3]. Returns None when no op states the
    layout, or two ops contradict each other.
    """
    axes = _stated(tensor, pixels, {})
    if len(axes) == 1:
        return axes.pop()
    if axes:
        return None
    # With one value for each channel the other two axes have size 1 in either layout.
    larger = [axis for axis, size in enumerate(tensor.shape.as_list()) if axis and size != 1]
    return larger[0] if len(larger) == 1 and larger[0] in (1, 3) else None


def _stated(tensor: tf.Tensor, pixels: str, known: dict[str, set[int]]) -> set[int]:
    """The channel axes that the ops before a tensor state; empty when none does."""
    if tensor.name not in known:
        known[tensor.name] = set()  # ends the recursion in graphs with loops
        known[tensor.name] = _axes(tensor, pixels, known)
    return known[tensor.name]


def _axes(tensor: tf.Tensor, pixels: str, known: dict[str, set[int]]) -> set[int]:
    op, rank = tensor.op, tensor.shape.rank
    if tensor.name == pixels or op.type in ALWAYS_LAST:
        return {3}
    if op.type in BY_DATA_FORMAT:
        first = 'data_format' in op.node_def.attr and op.get_attr('data_format').startswith(b'NC')
        return {1} if first else {3}
    if rank is None or not op.inputs:
        return set()
    if op.type == 'Transpose':
        order = tf.get_static_value(op.inputs[1])
        before = _stated(op.inputs[0], pixels, known)
        return set() if order is None else {list(order).index(axis) for axis in before}
    if op.type in ('ExpandDims', 'Squeeze', 'Reshape'):
        return _through_sizes_of_one(op, pixels, known)
    if op.type not in KEEPS_AXES:
        return set()
    return set().union(*(_stated(given, pixels, known) for given in op.inputs if given.shape.rank == rank))


def _through_sizes_of_one(op: tf.Operation, pixels: str, known: dict[str, set[int]]) -> set[int]:
    """The channel axes after an op that only inserts or removes axes of size 1, such as Squeeze."""
    before, after = op.inputs[0].shape, op.outputs[0].shape
    if before.rank is None or after.rank is None:
        return set()
    kept = [axis for axis, size in enumerate(before.as_list()) if axis and size != 1]
    kept_now = [axis for axis, size in enumerate(after.as_list()) if axis and size != 1]
    sizes, sizes_now = ([shape[axis] for axis in axes] for shape, axes in ((before, kept), (after, kept_now)))
    if sizes != sizes_now or None in sizes:
        return set()
    moved = dict(zip(kept, kept_now, strict=True))
    return {moved[axis] for axis in _stated(op.inputs[0], pixels, known) if axis in moved}
