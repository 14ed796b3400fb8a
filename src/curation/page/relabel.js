// The dialog for a new class: letters or a number choose in the list of classes.

const dialog = element('relabel'), typed = element('typed'), chooser = element('classes');
const plain = text => text.toLocaleLowerCase().replaceAll('_', ' ');
let whenChosen = null;

function askForClass(photo, chosen) {
  whenChosen = chosen;
  element('relabel-photo').textContent = photo.label ? `${photo.id}, now ${photo.label}` : photo.id;
  typed.value = '';
  listClasses();
  const guess = decisionOn(photo.id).label || photo.findings.find(finding => finding.looks_like)?.looks_like;
  if (guess) chooser.value = guess;
  dialog.showModal();
  typed.focus();
}

// The numbers of the classes that a text means: those with this number, or else those with a word that begins
// with it (the first word first), or else those that hold it.
function matching(text) {
  const wanted = plain(text.trim()), all = classes.map((_, i) => i);
  if (/^\d+$/.test(wanted) && classes[wanted - 1] !== undefined) return [wanted - 1];
  const first = all.filter(i => plain(classes[i]).startsWith(wanted));
  const later = all.filter(i => !first.includes(i) && plain(classes[i]).includes(' ' + wanted));
  const found = [...first, ...later];
  return found.length ? found : all.filter(i => plain(classes[i]).includes(wanted));
}

function listClasses() {
  const found = matching(typed.value);
  chooser.replaceChildren(...found.map(i => new Option(`${i + 1}  ${classes[i]}`, classes[i])));
  chooser.selectedIndex = typed.value && found.length ? 0 : -1;
  const first = found.length > 1 ? `, the first is ${classes[found[0]]}` : `: ${classes[found[0]]}`;
  element('matches').textContent = found.length
    ? count(found.length, 'class', 'classes') + (typed.value ? first : '') : 'No class is called so.';
}

typed.addEventListener('input', listClasses);
typed.addEventListener('keydown', event => {
  const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
  if (!step) return;
  event.preventDefault();
  const last = chooser.options.length - 1;
  chooser.selectedIndex = Math.max(0, Math.min(last, chooser.selectedIndex + step));
  element('matches').textContent = chooser.value;
});
chooser.addEventListener('keydown', event => {
  if (event.key === 'Enter') dialog.querySelector('form').requestSubmit();
});
chooser.addEventListener('dblclick', () => dialog.querySelector('form').requestSubmit());
element('relabel-not').addEventListener('click', () => dialog.close());
dialog.querySelector('form').addEventListener('submit', event => {
  event.preventDefault();
  if (!chooser.value) {
    element('matches').textContent = 'Choose a class.';
    return typed.focus();
  }
  dialog.close();
  whenChosen(chooser.value);
});
