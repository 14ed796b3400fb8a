// The list of classes of the chosen model, fetched when it is opened.

import { fetchWithToken } from './token.js';

const FEW = 12; // up to this number the list is open at first
const SEARCHED = 30; // above this number there is a search field

const find = (id) => document.getElementById(id);
const readable = (label) => label.replaceAll('_', ' ');

let model = null; // {name, count}
let listed = null; // the name of the model whose classes are listed

/** From now on, list the `count` classes of the model `name`. */
export function showClasses(name, count) {
  model = { name, count };
  find('search').value = '';
  find('search').parentElement.hidden = count <= SEARCHED;
  find('known').open = count <= FEW;
  if (find('known').open) list();
}

export function listenForClasses() {
  find('known').addEventListener('toggle', () => { if (find('known').open) list(); });
  find('search').addEventListener('input', search);
}

async function list() {
  const { name } = model;
  if (listed === name) return;
  listed = name;
  find('labels').replaceChildren();
  find('known-note').textContent = '';
  const response = await fetchWithToken(`classes?${new URLSearchParams({ model: name })}`).catch(() => null);
  const answer = response?.ok ? await response.json().catch(() => null) : null;
  if (name !== model.name) return; // another model was chosen meanwhile
  if (!answer) {
    listed = null;
    find('known-note').textContent = 'The classes could not be loaded.';
    return;
  }
  find('labels').replaceChildren(...answer.classes.map(row));
  search();
}

function row(label) {
  const item = document.createElement('li');
  item.textContent = readable(label);
  return item;
}

function search() {
  const wanted = readable(find('search').value.trim().toLowerCase());
  const rows = [...find('labels').children];
  for (const item of rows) item.hidden = !item.textContent.toLowerCase().includes(wanted);
  const found = rows.filter((item) => !item.hidden).length;
  const of = (number) => number.toLocaleString('en');
  find('known-note').textContent = wanted ? `${of(found)} of ${of(rows.length)}` : '';
}
