// Decisions, and the keys for them.

// Decides on a photo of the entry that is shown. `word` is '' to take a decision back.
function act(word, place) {
  if (!figures.length) return;
  activate(place);
  const {photo} = figures[place];
  if (word === 'relabel') return askForClass(photo, label => record(photo, {decision: 'relabel', label}));
  if (!word && !decisionOn(photo.id).decision) return say(`${photo.id} is undecided.`);
  record(photo, {decision: word, label: ''});
}

function record(photo, {decision, label}) {
  const same = decision === 'relabel' && label === photo.label;
  const choice = same ? {decision: 'keep', label: ''} : {decision, label};
  decide([[photo.id, choice]], current);
  const words = `${photo.id} ${same ? 'has this label already: kept' : wordsOf(choice)}.`;
  if (decision) move();
  refresh();
  say(`${words} ${element('count').textContent}.`);
}

// To what is decided next: the other photo of a pair, or the next entry.
function move() {
  const other = figures.findIndex(({photo}) => !decisionOn(photo.id).decision);
  if (!isDecided(entries[current]) && other >= 0) {
    const button = focusedButton();
    activate(other);
    return button && focusOn(button);
  }
  const goal = nearest(current, 1);
  if (goal !== null) show(goal);
}

function step(by) {
  const goal = nearest(current, by);
  if (goal === null) return say(by > 0 ? 'This is the last one.' : 'This is the first one.');
  show(goal);
  say(`${element('where').textContent}: ${figures.map(({photo}) => photo.id).join(' and ')}.`);
}

function undoStep() {
  const taken = undo();
  if (!taken) return say('There is nothing to undo.');
  show(taken.entry);
  const [id] = taken.before[0], more = taken.before.length - 1;
  const words = more ? `${id} and ${count(more, 'more photo')} as before` : `${id} is ${wordsOf(decisionOn(id))}`;
  say(`Undone: ${words}. ${element('count').textContent}.`);
}

const ACTIONS = {
  k: () => act('keep', active),
  d: () => act('drop', active),
  r: () => act('relabel', active),
  c: () => act('', active),
  u: undoStep,
  s: save,
  1: () => activate(0),
  2: () => activate(1),
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
};

// The key in lower case; on keyboards for other scripts, the Latin letter in its place.
function keyOf({key, code}) {
  const latin = /^Key[A-Z]$/.test(code) && key > '\x7f' ? code.at(-1) : key;
  return latin.length === 1 ? latin.toLowerCase() : latin;
}

document.addEventListener('keydown', event => {
  if (dialog.open || event.altKey || event.isComposing) return;
  const field = event.target.matches('select, input:not([type=checkbox]), textarea');
  if (field && !dialog.contains(event.target)) return; // a dialog that was just closed may still have the focus
  const key = keyOf(event);
  if (event.ctrlKey || event.metaKey) {
    if (key !== 'z' || event.shiftKey) return;
    event.preventDefault();
    return undoStep();
  }
  if (!element('keys').checked || !Object.hasOwn(ACTIONS, key)) return;
  event.preventDefault();
  ACTIONS[key]();
});
element('previous').addEventListener('click', () => step(-1));
element('next').addEventListener('click', () => step(1));
element('undo').addEventListener('click', undoStep);
