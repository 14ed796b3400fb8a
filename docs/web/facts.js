// The facts in a .tflite file: labels.txt and model_info.json in a zip behind the model
// (src/graph/lite/package.py).
//
//   const {labels, info} = await readFacts(bytes)     // of the whole file, Uint8Array

// Signatures and sizes of https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7, 4.3.12, 4.3.16.
const END = 0x06054b50, END_SIZE = 22;
const ENTRY = 0x02014b50, ENTRY_SIZE = 46;
const LOCAL_SIZE = 30;
const LONGEST_COMMENT = 65535;
const FILES = ['labels.txt', 'model_info.json'];
const STORED = 0, DEFLATED = 8;

/** Labels in output order and `model_info`. Throws an Error for a file without them. */
export async function readFacts(bytes) {
  const entries = directory(bytes);
  for (const name of FILES) {
    if (!entries.has(name)) throw new Error(`the model holds no ${name}: make it with src.freezing.export`);
  }
  const [labels, info] = await Promise.all(
    FILES.map((name) => text(bytes, entries.get(name))),
  );
  return {
    labels: labels.split('\n').map((label) => label.trim()).filter(Boolean),
    info: JSON.parse(info),
  };
}

/** The entries of the zip at the end of a file by name; empty without a zip. */
function directory(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = new Map();
  let end = bytes.length - END_SIZE;
  const least = Math.max(0, end - LONGEST_COMMENT);
  while (end >= least && view.getUint32(end, true) !== END) end--;
  if (end < least) return entries;
  const number = view.getUint16(end + 10, true);
  const size = view.getUint32(end + 12, true);
  // Offsets count from the start of the file, or from that of the zip where a tool only appended it.
  const shift = end - size - view.getUint32(end + 16, true);
  let at = end - size;
  for (let i = 0; i < number; i++) {
    if (view.getUint32(at, true) !== ENTRY) throw new Error('the zip behind the model is damaged');
    const lengths = [28, 30, 32].map((field) => view.getUint16(at + field, true)); // name, extra, comment
    const name = new TextDecoder().decode(bytes.subarray(at + ENTRY_SIZE, at + ENTRY_SIZE + lengths[0]));
    entries.set(name, {
      method: view.getUint16(at + 10, true),
      size: view.getUint32(at + 20, true),
      start: view.getUint32(at + 42, true) + shift,
    });
    at += ENTRY_SIZE + lengths[0] + lengths[1] + lengths[2];
  }
  return entries;
}

async function text(bytes, {method, size, start}) {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, LOCAL_SIZE);
  const from = start + LOCAL_SIZE + view.getUint16(26, true) + view.getUint16(28, true);
  const stored = new Blob([bytes.subarray(from, from + size)]);
  if (method === STORED) return stored.text();
  if (method !== DEFLATED) throw new Error(`the zip behind the model uses compression ${method}`);
  return new Response(stored.stream().pipeThrough(new DecompressionStream('deflate-raw'))).text();
}
