// A .tflite model of Rootstock in the browser, run by LiteRT.js.
//
//   const classifier = await openClassifier('pocket_dogs.tflite')
//   const [{label, probability}, ...others] = await classifier.classify(file)     // best first

import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core'; // index.html says where it is
import {readFacts} from './facts.js';
import {decode, preprocess} from './preprocessing.js';

const WASM = new URL('../wasm/', import.meta.resolve('@litertjs/core')).href; // beside its dist/index.js

let runtime; // LiteRT is loaded once for all models

/** Load the model at `address`. Throws an Error that says what is wrong with it. */
export async function openClassifier(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const {labels, info} = await readFacts(bytes);
  if (!info.preprocessing) throw new Error(`${address} does not say how pictures are preprocessed`);
  runtime ??= loadLiteRt(WASM);
  await runtime;
  const model = await loadAndCompile(bytes, {accelerator: 'wasm'});
  const [input] = model.getInputDetails();
  return {labels, info, classify: (blob) => classify(model, input, labels, info.preprocessing, blob)};
}

async function classify(model, input, labels, preprocessing, blob) {
  const picture = new Tensor(preprocess(await decode(blob), preprocessing), Array.from(input.shape));
  const [output] = await model.run(picture);
  const probabilities = Array.from(await output.data());
  picture.delete(); // tensors lie in WebAssembly's memory, which is not garbage-collected
  output.delete();
  if (probabilities.length !== labels.length) {
    throw new Error(`the model gives ${probabilities.length} values and has ${labels.length} labels`);
  }
  return probabilities
    .map((probability, i) => ({label: labels[i], probability}))
    .sort((a, b) => b.probability - a.probability);
}
