// The decisions, by the ids of photos: {decision, label, at}, with the time in milliseconds since 1970. A
// decision that was taken back has the word ''.
//
// Of two decisions on one photo, from this browser and from a list, the later counts. A list has one time for
// all its decisions: when its file was written.

const NONE = {decision: '', label: '', at: 0};
const made = new Map();
const steps = [];  // for undo: {before: [[id, decision], ...], entry}
let unsaved = false;

function decisionOn(id) {
  return made.get(id) ?? NONE;
}

// All decisions, in the order of their ids.
function decided() {
  const list = [...made].filter(([, one]) => one.decision).map(([id, one]) => ({id, ...one}));
  return list.sort((a, b) => a.id < b.id ? -1 : 1);
}

// Adds decisions as far as they are later than those that are there. Returns how many it took.
function merge(list) {
  let taken = 0;
  for (const {id, decision, label, at} of list) {
    if (made.has(id) && made.get(id).at > at) continue;
    const {decision: word, label: before} = decisionOn(id);
    if (word !== decision || before !== label) taken++;
    made.set(id, {decision, label, at});
  }
  return taken;
}

// Decides on photos, as one step for undo. `entry` is where that was done.
function decide(changes, entry) {
  steps.push({before: changes.map(([id]) => [id, decisionOn(id)]), entry});
  set(changes);
}

// Takes the last step back. Returns it, or undefined if there is none.
function undo() {
  const step = steps.pop();
  if (step) set(step.before);
  return step;
}

function set(changes) {
  for (const [id, {decision, label}] of changes) {
    made.set(id, {decision, label, at: Date.now()});
    store.write(id, made.get(id));
  }
  unsaved = true;
}

// An entry is decided if its photo is; a pair of duplicates if one of them is dropped, or both are decided.
function isDecided(entry) {
  const words = entry.photos.map(number => decisionOn(photos[number].id).decision);
  return words.every(Boolean) || (words.length > 1 && words.includes('drop'));
}

function wordsOf({decision, label}) {
  return {'': 'undecided', keep: 'kept', drop: 'dropped', relabel: `relabeled as ${label}`}[decision];
}

merge(content.decisions);
merge(store.read());
for (const [id, one] of made) store.write(id, one);
