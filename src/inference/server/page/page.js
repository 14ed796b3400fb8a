// Takes pictures from files, drops, pastes and addresses, and shows each on a card with its classes.

import { ask, Fault } from './ask.js';
import { listenForClasses, showClasses } from './classes.js';
import { forgetWhy, listenForWhy } from './why.js';

const MOST_CARDS = 24;
const IN_FLIGHT = 2;

const urlsAllowed = 'urlsAllowed' in document.body.dataset;
const find = (id) => document.getElementById(id);
const stamp = (id) => find(id).content.firstElementChild.cloneNode(true);
const readable = (label) => label.replaceAll('_', ' ');

/** Shows one line under the drop area. */
function note(text) {
  find('note').textContent = text;
}

/** Adds a line for screen readers. */
function say(text) {
  const line = document.createElement('p');
  line.textContent = text;
  find('said').append(line);
  if (find('said').children.length > MOST_CARDS) find('said').firstElementChild.remove();
}

// ---- a card -----------------------------------------------------------------------------------------

/** A card for {name, picture} or {name, url}, to be classified by the model that is chosen now. */
function newCard(source) {
  const { value: model, explains } = chosenModel();
  const card = { ...source, model, explains, element: stamp('card'), stop: new AbortController() };
  card.part = (selector) => card.element.querySelector(selector);
  card.part('h3').textContent = card.name;
  card.part('.again').addEventListener('click', () => enqueue(card));
  showPreview(card);
  return card;
}

function showPreview(card) {
  const none = (text) => card.part('figure').replaceChildren(text);
  if (card.url) return none(new URL(card.url).hostname); // fetched by the server; the page may not
  card.preview = URL.createObjectURL(card.picture);
  card.part('img').addEventListener('error', () => none('no preview'));
  card.part('img').src = card.preview;
}

/** `state` is busy, done or failed. */
function show(card, state, text) {
  card.element.dataset.state = state;
  card.part('.state').textContent = text;
  card.part('.again').hidden = true;
}

function showAnswer(card, { model, milliseconds, pictures: [{ classes }] }) {
  const time = milliseconds.toFixed(milliseconds < 10 ? 1 : 0);
  show(card, 'done', `${model} · ${time} ms`);
  card.part('.classes').replaceChildren(...classes.map((found) => classRow(card, found)));
  const [best] = classes;
  say(`${card.name}: ${readable(best.label)}, ${Math.round(100 * best.probability)} percent`);
}

function classRow(card, { label, probability }) {
  const row = stamp('class');
  row.querySelector('.label').textContent = readable(label);
  row.querySelector('.percent').textContent = percent(probability);
  row.querySelector('.bar').style.setProperty('--share', probability);
  if (card.explains) listenForWhy(card, row.querySelector('.why'), label);
  else row.querySelector('.why').remove();
  return row;
}

function percent(probability) {
  const shown = (100 * probability).toFixed(1);
  return shown === '0.0' && probability > 0 ? '< 0.1 %' : `${shown} %`;
}

function showFault(card, fault) {
  show(card, 'failed', fault.message);
  card.part('.again').hidden = !fault.again;
  say(`${card.name}: ${fault.message}`);
}

function forget(card) {
  card.stop.abort();
  card.element.remove();
  if (card.preview) URL.revokeObjectURL(card.preview);
  forgetWhy(card);
}

// ---- the queue --------------------------------------------------------------------------------------

const queue = [];
let inFlight = 0;

function enqueue(card) {
  show(card, 'busy', 'Queued …');
  queue.push(card);
  work();
}

function work() {
  while (inFlight < IN_FLIGHT && queue.length) {
    inFlight++;
    classify(queue.shift()).finally(() => { inFlight--; work(); });
  }
}

async function classify(card) {
  const { signal } = card.stop;
  if (signal.aborted) return;
  show(card, 'busy', 'Classifying …');
  try {
    showAnswer(card, await ask(card, signal, (text) => show(card, 'busy', text)));
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Fault)) console.error(error);
    showFault(card, error instanceof Fault ? error : new Fault('The response cannot be read.'));
  }
}

// ---- all cards --------------------------------------------------------------------------------------

const cards = []; // newest first

/** Adds cards for new sources, in their order, above the older ones. */
function add(sources) {
  if (!sources.length) return;
  const left = Math.max(0, sources.length - MOST_CARDS);
  note(left ? `At most ${MOST_CARDS} pictures at once: ${left} were left out.` : '');
  const fresh = sources.slice(0, MOST_CARDS).map(newCard);
  cards.unshift(...fresh);
  cards.splice(MOST_CARDS).forEach(forget);
  find('recent').hidden = false;
  find('cards').prepend(...fresh.map((card) => card.element));
  fresh[0].element.scrollIntoView({ block: 'nearest' });
  fresh.forEach(enqueue);
}

function clear() {
  cards.splice(0).forEach(forget);
  find('said').replaceChildren();
  find('recent').hidden = true;
  find('files').focus(); // the button that had the focus is hidden
}

// ---- where pictures come from -----------------------------------------------------------------------

function addFiles(files) {
  add([...files].map((picture) => ({ name: picture.name || 'picture', picture })));
}

function addUrl(text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!/^https?:$/.test(url?.protocol)) return note('That is not a picture or the address of one.');
  add([{ name: url.pathname.split('/').pop() || url.hostname, url: url.href }]);
}

async function addExample({ title, href }) {
  const response = await fetch(href).catch(() => null);
  if (response?.ok) add([{ name: title, picture: await response.blob() }]);
  else note(`The picture ${title} could not be loaded.`);
}

/** What was dropped or pasted. */
function take(transfer) {
  if (transfer.files.length) addFiles(transfer.files);
  else if (urlsAllowed) addUrl(transfer.getData('text/uri-list') || transfer.getData('text/plain').trim());
  else note('That is not a picture.');
}

function listenForDrops() {
  let depth = 0; // dragenter and dragleave are fired for every element
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle('dropping', depth > 0);
  };
  addEventListener('dragenter', () => mark(1));
  addEventListener('dragleave', () => mark(-1));
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => { event.preventDefault(); mark(-depth); take(event.dataTransfer); });
}

function listen() {
  for (const input of [find('files'), find('camera')]) {
    input.addEventListener('change', () => { addFiles(input.files); input.value = ''; });
  }
  for (const button of document.querySelectorAll('.example')) {
    const example = { title: button.textContent.trim(), href: button.dataset.href };
    button.addEventListener('click', () => addExample(example));
  }
  find('by-url')?.addEventListener('submit', (event) => { event.preventDefault(); addUrl(find('url').value); });
  addEventListener('paste', (event) => { if (event.target.id !== 'url') take(event.clipboardData); });
  find('model').addEventListener('change', showModel);
  find('clear').addEventListener('click', clear);
  listenForDrops();
}

/** The name of the chosen model, whether it can show where it looks, and the other facts in the page. */
function chosenModel() {
  const { dataset, value } = find('model').selectedOptions?.[0] ?? find('model');
  return { dataset, value, explains: 'explains' in dataset };
}

/** Updates the page for the chosen model. */
function showModel() {
  const { dataset, value } = chosenModel();
  const classes = Number(dataset.classes).toLocaleString('en');
  find('count').textContent = classes;
  document.title = `Rootstock · ${classes} classes`;
  find('api-model').textContent = encodeURIComponent(value);
  if (find('examples')) find('examples').hidden = !('dogs' in dataset);
  showClasses(value, Number(dataset.classes));
}

listen();
listenForClasses();
showModel();
