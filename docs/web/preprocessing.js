// From a picture file to the pixels that a network takes, by the steps in `model_info.preprocessing`
// (src/graph/lite/steps.py). Resizing samples as TensorFlow's ops do; the browser only decodes.
//
//   const pixels = preprocess(await decode(file), info.preprocessing)     // Float32Array [height, width, 3]

const CHANNELS = 3;
const f32 = Math.fround; // TensorFlow computes positions and weights in float32

/** Decode a picture to upright 8-bit RGBA (ImageData), transparent parts on white. No color management: a
 * network was trained on the values in the files. */
export async function decode(blob) {
  const options = {colorSpaceConversion: 'none', imageOrientation: 'from-image', premultiplyAlpha: 'none'};
  const bitmap = await createImageBitmap(blob, options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', {alpha: false, willReadFrequently: true});
  context.fillStyle = 'white';
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0); // in its own size: nothing is resampled
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** The pixels [height, width, 3] of decoded RGBA. Throws an Error for a step that this page does not have. */
export function preprocess({data, width, height}, {pictures}) {
  if (pictures.length !== 1) throw new Error('the model joins several backbones, which this page does not run');
  const [{steps, height: tall, width: wide}] = pictures;
  let pixels = {values: data, height, width, channels: 4}; // alpha is left out by the resizing
  for (const step of steps) {
    if (step.op in RESIZERS) pixels = resized(pixels, tall, wide, RESIZERS[step.op](step));
    else if (step.op in ARITHMETIC) pixels = computed(pixels, ARITHMETIC[step.op], step.value);
    else throw new Error(`the preprocessing has the op ${step.op}, which this page does not have`);
  }
  return pixels.values;
}

const ARITHMETIC = {
  Mul: (x, y) => x * y,
  Add: (x, y) => x + y,
  AddV2: (x, y) => x + y,
  Sub: (x, y) => x - y,
  RealDiv: (x, y) => x / y,
};

/** `value` is a number, or one for each channel. */
function computed(pixels, compute, value) {
  const constants = Array.isArray(value) ? [...value, 0] : Array(4).fill(value);
  const values = Float32Array.from(pixels.values, (x, i) => compute(x, constants[i % pixels.channels]));
  return {...pixels, values};
}

// An op gives, for a side of `size` values resized to `target`, the source values that each target value is a
// weighted sum of: [{first, weights}, ...].
const RESIZERS = {
  ScaleAndTranslate({kernel_type: kernel, antialias}) {
    if (kernel !== 'triangle') throw new Error(`the preprocessing resizes with the kernel ${kernel}`);
    return (size, target) => triangleSpans(size, target, antialias);
  },
  ResizeBilinear({align_corners: corners, half_pixel_centers: centers}) {
    return (size, target) => bilinearSpans(size, target, corners, centers);
  },
};

/** https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/core/kernels/image/scale_and_translate_op.cc
 * (ComputeSpansCore), as `tf.image.resize` calls it. */
function triangleSpans(size, target, antialias) {
  const inverse = f32(1 / f32(target / size));
  const scale = antialias ? Math.max(inverse, 1) : 1;
  const perScale = f32(1 / scale);
  return Array.from({length: target}, (_, i) => {
    const center = f32(f32(i + 0.5) * inverse);
    const first = clamped(Math.ceil(f32(f32(center - scale) - 0.5)), size);
    const last = clamped(Math.floor(f32(f32(center + scale) - 0.5)), size);
    const weights = new Float32Array(last - first + 1);
    let sum = 0;
    for (let j = 0; j < weights.length; j++) {
      const distance = Math.abs(f32(f32(f32(first + j + 0.5) - center) * perScale));
      weights[j] = Math.max(0, f32(1 - distance));
      sum = f32(sum + weights[j]);
    }
    const perSum = f32(1 / sum);
    return {first, weights: weights.map((weight) => weight * perSum)};
  });
}

/** https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/core/kernels/image/resize_bilinear_op.cc
 * (compute_interpolation_weights) with the scales of tensorflow/core/util/image_resizer_state.h. */
function bilinearSpans(size, target, corners, centers) {
  const scale = f32(corners && target > 1 ? (size - 1) / (target - 1) : size / target);
  return Array.from({length: target}, (_, i) => {
    const at = centers ? f32(f32(f32(i + 0.5) * scale) - 0.5) : f32(i * scale);
    const below = Math.floor(at);
    const [first, last] = [clamped(below, size), clamped(Math.ceil(at), size)];
    const share = f32(at - below);
    return {first, weights: last > first ? Float32Array.of(f32(1 - share), share) : Float32Array.of(1)};
  });
}

function clamped(index, size) {
  return Math.min(Math.max(index, 0), size - 1);
}

/** Rows first, then columns; each is a weighted sum of the source rows or columns. */
function resized({values, height, width, channels}, tall, wide, spans) {
  const row = width * channels;
  const rows = new Float32Array(tall * row);
  spans(height, tall).forEach(({first, weights}, y) => {
    for (let j = 0; j < weights.length; j++) {
      const from = (first + j) * row;
      for (let x = 0; x < row; x++) rows[y * row + x] += weights[j] * values[from + x];
    }
  });
  const made = new Float32Array(tall * wide * CHANNELS);
  const columns = spans(width, wide);
  for (let y = 0, to = 0; y < tall; y++) {
    for (const {first, weights} of columns) {
      for (let channel = 0; channel < CHANNELS; channel++, to++) {
        let from = y * row + first * channels + channel;
        for (let j = 0; j < weights.length; j++, from += channels) made[to] += weights[j] * rows[from];
      }
    }
  }
  return {values: made, height: tall, width: wide, channels: CHANNELS};
}
