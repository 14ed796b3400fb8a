// The entry that is shown large: one photo, or the two of a pair. Of a pair one is active: the keys are for it.

let figures = [];  // {photo, node}
let active = 0;

function show(place) {
  const focused = document.activeElement?.closest('#thumbnails'), button = focusedButton();
  current = place;
  const entry = entries[place];
  figures = entry.photos.map((number, i) => ({photo: photos[number], node: figureOf(number, i, entry)}));
  active = Math.max(0, figures.findIndex(({photo}) => !decisionOn(photo.id).decision));
  element('photos').replaceChildren(...figures.map(figure => figure.node));
  element('photos').dataset.photos = figures.length;
  element('pair').hidden = !entry.pair;
  element('pair').replaceChildren(...(entry.pair ? findingWords(entry.pair) : []));
  refresh();
  if (focused) thumbnails[place].focus();
  if (button) focusOn(button);
  revealThumbnail(place);
}

function figureOf(number, place, entry) {
  const photo = photos[number], node = element('photo').content.firstElementChild.cloneNode(true);
  const find = selector => node.querySelector(selector);
  const address = pictureOf('picture', number);
  find('img').hidden = !address;
  find('.nothing').hidden = Boolean(address);
  if (address) Object.assign(find('img'), {src: address, alt: `Photo ${photo.id}`});
  find('.id').textContent = photo.id;
  find('.facts').textContent = [photo.label && `class ${photo.label}`, photo.split].filter(Boolean).join(' · ');
  find('.findings').replaceChildren(...photo.findings.map(finding => {
    const item = document.createElement('li');
    item.append(...findingWords(finding));
    return item;
  }));
  find('.keep').addEventListener('click', () => act('keep', place));
  find('.drop').addEventListener('click', () => act('drop', place));
  find('.relabel').addEventListener('click', () => act('relabel', place));
  find('.clear').addEventListener('click', () => act('', place));
  node.addEventListener('focusin', () => activate(place));
  node.addEventListener('click', () => activate(place));
  if (entry.photos.length > 1) node.setAttribute('aria-label', `Photo ${place + 1} of the pair`);
  return node;
}

function findingWords({reason, detail, score}) {
  const strong = document.createElement('strong');
  strong.textContent = reason;
  const number = document.createElement('span');
  number.className = 'muted';
  number.textContent = ` score ${Number(score.toPrecision(3))}`;
  return [strong, detail ? `: ${detail}` : '', number];
}

function activate(place) {
  if (place >= figures.length) return;
  active = place;
  figures.forEach(({node}, i) => node.classList.toggle('active', figures.length > 1 && i === place));
}

// Everything on the page that depends on the decisions.
function refresh() {
  for (const {photo, node} of figures) {
    const one = decisionOn(photo.id), words = wordsOf(one);
    node.dataset.decision = one.decision;
    node.querySelector('.decision').textContent = words[0].toUpperCase() + words.slice(1);
    for (const word of WORDS) node.querySelector(`.${word}`).ariaPressed = String(one.decision === word);
    enable(node.querySelector('.clear'), one.decision);
  }
  activate(active);
  const done = entries.filter(isDecided).length, shown = entries.filter(isShown);
  element('count').textContent = `${done.toLocaleString('en')} of ${entries.length.toLocaleString('en')} decided`;
  Object.assign(element('progress'), {max: entries.length || 1, value: done});
  const place = shown.indexOf(entries[current]) + 1;
  const what = entries[current]?.photos.length > 1 ? 'Pair' : 'Photo';
  element('where').textContent = entries.length
    ? (place ? `${what} ${place} of ${shown.length}` : `${what}, not in this filter`) : 'Nothing was found';
  enable(element('previous'), nearest(current, -1) !== null);
  enable(element('next'), nearest(current, 1) !== null);
  enable(element('undo'), steps.length);
  element('warning').hidden = !store.refused;
  element('warning').textContent = store.refused
    ? 'This browser keeps nothing after this page is closed: save before that.' : '';
  refreshThumbnails();
}

// Buttons that have nothing to do stay focusable, and say so: a disabled one would lose the focus.
function enable(button, can) {
  button.ariaDisabled = String(!can);
}

// The kind of the focused button of a photo ('keep', ...), and the same button of the active photo.
function focusedButton() {
  return document.activeElement?.closest('#photos button')?.classList[0];
}

function focusOn(kind) {
  figures[active]?.node.querySelector(`.${kind}`).focus();
}

function say(text) {
  element('said').textContent = text;
}
