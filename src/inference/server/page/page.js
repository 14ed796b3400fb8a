// Shows pictures, asks the server what is on each, and writes its answer beside it.

const MOST_CARDS = 24;
const IN_FLIGHT = 2;
const TRIES = 6;
const LONGEST_WAIT = 30; // seconds
const LONGEST_SIDE = 2000; // of a picture that is scaled down
const QUALITIES = [0.9, 0.75, 0.5];
const TOP = 5;

const maxBytes = Number(document.body.dataset.maxBytes);
const urlsAllowed = 'urlsAllowed' in document.body.dataset;
const find = (id) => document.getElementById(id);

/** What went wrong, in words for people; `again`: whether the same may go well later. */
class Fault extends Error {
  constructor(message, again = false) {
    super(message);
    this.again = again;
  }
}

// ---- asking the server ------------------------------------------------------------------------------

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

async function post(request, signal) {
  const address = `classify?${new URLSearchParams({ ...(request.model && { model: request.model }), top: TOP })}`;
  try {
    return await fetch(address, { method: 'POST', headers: { 'Content-Type': request.type }, body: request.body, signal });
  } catch (error) {
    throw signal.aborted ? error : new Fault('The server cannot be reached.', true);
  }
}

async function faultIn(response) {
  const { error } = await response.json().catch(() => ({}));
  return new Fault(error || `The server answered ${response.status}.`, response.status >= 500);
}

/** The server's answer; while it is busy, waits as long as it says and tells so. */
async function ask(request, signal, tell) {
  for (let attempt = 1; ; attempt++) {
    const response = await post(request, signal);
    if (response.ok) return response.json();
    if (response.status !== 503 || attempt === TRIES) throw await faultIn(response);
    const seconds = Math.min(Number(response.headers.get('Retry-After')) || 1, LONGEST_WAIT);
    tell(`The server is busy, waiting ${seconds} s …`);
    await pause(seconds, signal);
  }
}

// ---- pictures ---------------------------------------------------------------------------------------

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

async function drawnSmaller(picture) {
  const bitmap = await createImageBitmap(picture);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = canvas.getContext('2d');
  context.fillStyle = 'white'; // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/** The picture as a JPEG that the server takes. */
async function smaller(picture) {
  const canvas = await drawnSmaller(picture).catch(() => null);
  for (const quality of canvas ? QUALITIES : []) {
    const jpeg = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));
    if (jpeg && jpeg.size <= maxBytes) return jpeg;
  }
  throw new Fault(
    `${megabytes(picture.size)} is more than the ${megabytes(maxBytes)} that the server takes, ` +
    'and your browser could not scale it down.');
}

/** Its bytes now, for a folder or a file that is gone must fail here, not as a lost connection. */
async function bytesOf(picture) {
  try {
    return await picture.arrayBuffer();
  } catch {
    throw new Fault('This file cannot be read; a folder must be opened and its pictures chosen.');
  }
}

async function requestFor({ picture, url, model }) {
  if (url) return { model, type: 'application/json', body: JSON.stringify({ url }) };
  const sent = picture.size > maxBytes ? await smaller(picture) : picture;
  return { model, type: sent.type || 'application/octet-stream', body: await bytesOf(sent) };
}

// ---- cards ------------------------------------------------------------------------------------------

const cards = []; // newest first

const stamp = (id) => find(id).content.firstElementChild.cloneNode(true);
const readable = (label) => label.replaceAll('_', ' ');

function percent(probability) {
  const shown = (100 * probability).toFixed(1);
  return shown === '0.0' && probability > 0 ? '< 0.1 %' : `${shown} %`;
}

function say(text) {
  const line = document.createElement('p');
  line.textContent = text;
  find('said').append(line);
  if (find('said').children.length > MOST_CARDS) find('said').firstElementChild.remove();
}

function tell(card, state, text) {
  card.element.dataset.state = state;
  card.element.querySelector('.state').textContent = text;
}

function showPreview(card) {
  const figure = card.element.querySelector('figure');
  const none = (text) => figure.replaceChildren(text);
  if (card.url) return none(new URL(card.url).hostname);
  card.preview = URL.createObjectURL(card.picture);
  const image = figure.querySelector('img');
  image.addEventListener('error', () => none('no preview'));
  image.src = card.preview;
}

function classRow({ label, probability }) {
  const row = stamp('class');
  row.querySelector('.label').textContent = readable(label);
  row.querySelector('.percent').textContent = percent(probability);
  row.querySelector('.bar').style.setProperty('--share', probability);
  return row;
}

function showAnswer(card, { model, milliseconds, pictures: [{ classes }] }) {
  tell(card, 'done', `${model} · ${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`);
  card.element.querySelector('.classes').replaceChildren(...classes.map(classRow));
  const [best] = classes;
  say(`${card.name}: ${readable(best.label)}, ${Math.round(100 * best.probability)} percent`);
}

function showFault(card, fault) {
  tell(card, 'failed', fault.message);
  card.element.querySelector('.again').hidden = !fault.again;
  say(`${card.name}: ${fault.message}`);
}

function newCard(source) {
  const card = { ...source, model: find('model')?.value, element: stamp('card'), stop: new AbortController() };
  card.element.querySelector('h3').textContent = card.name;
  card.element.querySelector('.again').addEventListener('click', () => enqueue(card));
  showPreview(card);
  return card;
}

function drop(card) {
  card.stop.abort();
  card.element.remove();
  if (card.preview) URL.revokeObjectURL(card.preview);
}

// ---- the queue --------------------------------------------------------------------------------------

const queue = [];
let inFlight = 0;

async function classify(card) {
  const { signal } = card.stop;
  if (signal.aborted) return;
  tell(card, 'busy', 'Looking …');
  try {
    const request = await requestFor(card);
    showAnswer(card, await ask(request, signal, (text) => tell(card, 'busy', text)));
  } catch (error) {
    if (!signal.aborted) showFault(card, error instanceof Fault ? error : new Fault('The answer makes no sense.'));
  }
}

function work() {
  while (inFlight < IN_FLIGHT && queue.length) {
    inFlight++;
    classify(queue.shift()).finally(() => { inFlight--; work(); });
  }
}

function enqueue(card) {
  card.element.querySelector('.again').hidden = true;
  tell(card, 'busy', 'In the queue …');
  queue.push(card);
  work();
}

/** Cards for new sources ({name, picture} or {name, url}), in their order above the older ones. */
function add(sources) {
  if (!sources.length) return;
  const fresh = sources.slice(0, MOST_CARDS).map(newCard);
  const left = sources.length - fresh.length;
  find('note').textContent = left ? `${MOST_CARDS} pictures at once are the most: ${left} were left out.` : '';
  find('recent').hidden = false;
  find('cards').prepend(...fresh.map((card) => card.element));
  cards.unshift(...fresh);
  cards.splice(MOST_CARDS).forEach(drop);
  fresh[0].element.scrollIntoView({ block: 'nearest' });
  fresh.forEach(enqueue);
}

function clear() {
  cards.splice(0).forEach(drop);
  find('said').replaceChildren();
  find('recent').hidden = true;
  find('files').focus(); // the button that had it is gone
}

// ---- where pictures come from -----------------------------------------------------------------------

const addFiles = (files) => add([...files].map((picture) => ({ name: picture.name || 'picture', picture })));

function addUrl(text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!/^https?:$/.test(url?.protocol)) return;
  add([{ name: url.pathname.split('/').pop() || url.hostname, url: url.href }]);
}

async function addExample(name) {
  const response = await fetch(`page/examples/${encodeURIComponent(name)}`).catch(() => null);
  if (response?.ok) add([{ name: readable(name), picture: await response.blob() }]);
  else find('note').textContent = `The example ${readable(name)} cannot be fetched.`;
}

/** Dropped or pasted: files, or the address of a picture where the server fetches those. */
function take(transfer) {
  if (transfer.files.length) addFiles(transfer.files);
  else if (urlsAllowed) addUrl(transfer.getData('text/uri-list') || transfer.getData('text/plain').trim());
  else find('note').textContent = 'That was no picture file.';
}

function listenForDrops() {
  let depth = 0; // enter and leave come for every element passed
  const mark = (change) => document.body.classList.toggle('dropping', (depth = Math.max(0, depth + change)) > 0);
  addEventListener('dragenter', () => mark(1));
  addEventListener('dragleave', () => mark(-1));
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => { event.preventDefault(); mark(-depth); take(event.dataTransfer); });
}

function listen() {
  for (const input of [find('files'), find('camera')]) {
    input.addEventListener('change', () => { addFiles(input.files); input.value = ''; });
  }
  find('by-url')?.addEventListener('submit', (event) => { event.preventDefault(); addUrl(find('url').value); });
  addEventListener('paste', (event) => { if (!event.target.closest?.('input')) take(event.clipboardData); });
  for (const button of document.querySelectorAll('.example')) {
    button.addEventListener('click', () => addExample(button.dataset.name));
  }
  find('model')?.addEventListener('change', showModel);
  find('clear').addEventListener('click', clear);
  listenForDrops();
}

function showModel() {
  const classes = Number(find('model').selectedOptions[0].dataset.classes).toLocaleString('en');
  find('count').textContent = classes;
  document.title = `Rootstock · ${classes} classes`;
}

listen();
