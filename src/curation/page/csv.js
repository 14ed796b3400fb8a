// The list of decisions as CSV, as src/records/decisions.py reads and writes it.

const WORDS = ['keep', 'drop', 'relabel'];
const COLUMNS = ['data_set', 'id', 'decision', 'label'];

function csvOf(list) {
  const cell = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const rows = list.map(one => [name, one.id, one.decision, one.label]);
  return [COLUMNS, ...rows].map(row => row.map(cell).join(',') + '\r\n').join('');
}

// The decisions in the text of a list. Throws Error with one line for people.
function decisionsIn(text) {
  const [head, ...rows] = rowsOf(text.replace(/^\uFEFF/, ''));
  const places = COLUMNS.map(column => (head ?? []).indexOf(column));
  const missing = COLUMNS.find((_, i) => places[i] < 0);
  if (missing) throw Error(`this is not a list of decisions: it has no column ${missing}`);
  const found = new Map();
  for (const row of rows) {
    const [dataSet, id, word, label] = places.map(place => row[place] ?? '');
    if (!dataSet && !id && !word && !label) continue;
    if (dataSet !== name) throw Error(`this list is about the data set ${dataSet}, not ${name}`);
    const decision = word.trim().toLowerCase();
    if (!id) throw Error('a line has no id');
    if (!WORDS.includes(decision)) throw Error(`${id}: “${word}” is no decision`);
    const made = {id, decision, label: decision === 'relabel' ? label : ''};
    if (decision === 'relabel' && !classes.includes(label)) throw Error(`${id}: “${label}” is no class`);
    const earlier = found.get(id) ?? made;
    if (earlier.decision !== decision || earlier.label !== made.label) throw Error(`${id} has two decisions`);
    found.set(id, made);
  }
  return [...found.values()];
}

function rowsOf(text) {
  const first = text.split('\n', 1)[0];
  const separator = first.includes(';') && !first.includes(',') ? ';' : ',';
  const rows = [];
  let row = [], cell = '', quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === separator) { row.push(cell); cell = ''; }
    else if (c === '\n' || c === '\r') {
      if (c === '\r' && text[i + 1] === '\n') i++;
      rows.push([...row, cell]);
      row = [];
      cell = '';
    } else cell += c;
  }
  if (cell || row.length) rows.push([...row, cell]);
  return rows;
}
