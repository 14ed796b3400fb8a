// Saving the list of decisions, and loading one.

function save() {
  const list = decided();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(bytesOf(csvOf(list)), {type: 'text/csv'}));
  link.download = 'decisions.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  unsaved = false;
  say(`Saved ${count(list.length, 'decision')} as decisions.csv.`);
}

// Text as parts of a Blob. File names on Linux may be any bytes; Python reads those that are not UTF-8 as
// lone surrogates, U+DC80 to U+DCFF, which become these bytes again.
function bytesOf(text) {
  return text.split(/([\uDC80-\uDCFF])/u).map((part, i) =>
    i % 2 ? new Uint8Array([part.charCodeAt(0) - 0xDC00]) : part);
}

async function load(file) {
  let list;
  try {
    const bytes = await file.arrayBuffer();
    list = decisionsIn(new TextDecoder('utf-8', {fatal: true}).decode(bytes));
  } catch (error) {
    const reason = error instanceof TypeError ? 'this is not a text in UTF-8' : error.message;
    return say(`${file.name} was not loaded: ${reason}.`);
  }
  const before = list.map(({id}) => [id, decisionOn(id)]);
  const taken = merge(list.map(one => ({...one, at: file.lastModified})));
  for (const [id] of before) store.write(id, decisionOn(id));
  if (taken) {
    steps.push({before, entry: current});
    unsaved = true;
  }
  const newer = list.filter(one => decisionOn(one.id).at > file.lastModified).length;
  const kept = newer ? `; ${count(newer, 'decision')} made here later stay` : '';
  refresh();
  say(`${file.name}: ${count(list.length, 'decision')}, ${taken.toLocaleString('en')} new${kept}.`);
}

element('save').addEventListener('click', save);
element('load').addEventListener('click', () => element('file').click());
element('file').addEventListener('change', event => {
  if (event.target.files.length) load(event.target.files[0]);
  event.target.value = '';  // so that the same file can be chosen again
});
addEventListener('dragover', event => event.preventDefault());
addEventListener('drop', event => {
  event.preventDefault();
  if (event.dataTransfer.files.length) load(event.dataTransfer.files[0]);
});
addEventListener('beforeunload', event => {
  if (store.refused && unsaved) event.preventDefault();
});
