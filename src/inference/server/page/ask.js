// Sends a picture to the server: scales it down if it is too large, and retries while the server is busy.

import { fetchWithToken } from './token.js';

const TRIES = 6;
const LONGEST_WAIT = 30; // seconds
const LONGEST_SIDE = 2000; // of a picture that is scaled down
const QUALITIES = [0.9, 0.75, 0.5]; // of its JPEG, until one is small enough
const TOP = 5;

const maxBytes = Number(document.body.dataset.maxBytes);

/** An error message for people; `again`: whether a later try may succeed. */
export class Fault extends Error {
  constructor(message, again = false) {
    super(message);
    this.again = again;
  }
}

/** The server's response to {picture, model} or {url, model}; `report` is called with a text while it waits. */
export async function ask(source, signal, report) {
  const query = new URLSearchParams({ model: source.model, top: TOP });
  return (await answer(`classify?${query}`, source, signal, report)).json();
}

/** The same picture as a PNG that shows where the model looks for the class `label`. */
export async function explain(source, label, signal) {
  const query = new URLSearchParams({ model: source.model, class: label });
  return (await answer(`explain?${query}`, source, signal, () => {})).blob();
}

async function answer(address, source, signal, report) {
  const request = { address, ...await bodyFor(source) };
  for (let attempt = 1; ; attempt++) {
    const response = await post(request, signal);
    if (response.ok) return response;
    if (response.status !== 503 || attempt === TRIES) throw await faultIn(response);
    const seconds = Math.min(Number(response.headers.get('Retry-After')) || 1, LONGEST_WAIT);
    report(`The server is busy, waiting ${seconds} s …`);
    await pause(seconds, signal);
  }
}

async function bodyFor({ picture, url }) {
  if (url) return { type: 'application/json', body: JSON.stringify({ url }) };
  const sent = picture.size > maxBytes ? await smaller(picture) : picture;
  return { type: 'application/octet-stream', body: await bytesOf(sent) }; // not the type of the file: a .json file would be read as a request
}

async function post({ address, type, body }, signal) {
  try {
    return await fetchWithToken(address, { method: 'POST', headers: { 'Content-Type': type }, body, signal });
  } catch (error) {
    throw signal.aborted ? error : new Fault('The server cannot be reached.', true);
  }
}

async function faultIn(response) {
  const { error } = await response.json().catch(() => ({}));
  if (response.status === 401) return new Fault('A valid token is needed.', true);
  return new Fault(error || `The server answered ${response.status}.`, response.status >= 500);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

/** The bytes, read now: reading a folder or a deleted file while sending would look like a lost connection. */
async function bytesOf(picture) {
  try {
    return await picture.arrayBuffer();
  } catch {
    throw new Fault('This cannot be read. If it is a folder, choose the pictures in it.');
  }
}

/** The picture as a JPEG of at most `maxBytes`. */
async function smaller(picture) {
  const canvas = await drawnSmaller(picture).catch(() => null);
  for (const quality of canvas ? QUALITIES : []) {
    const jpeg = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));
    if (jpeg && jpeg.size <= maxBytes) return jpeg;
  }
  throw new Fault(
    `${megabytes(picture.size)} is more than the limit of ${megabytes(maxBytes)}, `
    + 'and your browser cannot scale it down.');
}

async function drawnSmaller(picture) {
  const bitmap = await createImageBitmap(picture);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d');
  context.fillStyle = 'white'; // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
