// Which entries are shown, by the filters; and their thumbnails.

const reason = element('reason'), undecided = element('undecided');
let current = 0;  // number of the entry that is shown large

function isShown(entry) {
  return (!reason.value || entry.reasons.includes(reason.value)) && !(undecided.checked && isDecided(entry));
}

// The nearest entry that is shown after (step 1) or before (step -1) an entry; null if there is none.
function nearest(from, step) {
  for (let i = from + step; i >= 0 && i < entries.length; i += step) if (isShown(entries[i])) return i;
  return null;
}

const thumbnails = entries.map((entry, place) => {
  const button = document.createElement('button');
  button.type = 'button';
  for (const number of entry.photos) {
    const address = pictureOf('thumbnail', number);
    const picture = document.createElement(address ? 'img' : 'span');
    if (address) Object.assign(picture, {src: address, alt: '', loading: 'lazy', decoding: 'async'});
    button.append(picture);
  }
  button.addEventListener('click', () => show(place));
  const item = document.createElement('li');
  item.append(button);
  element('thumbnails').append(item);
  return button;
});

function refreshThumbnails() {
  entries.forEach((entry, place) => {
    const button = thumbnails[place];
    button.parentNode.hidden = !isShown(entry) && place !== current;
    const ids = entry.photos.map(number => photos[number].id);
    const words = ids.map(id => wordsOf(decisionOn(id)));
    button.ariaLabel = ids.map((id, i) => `${id}, ${words[i]}`).join('; ');
    button.dataset.decision = isDecided(entry)
      ? WORDS.toReversed().find(word => ids.some(id => decisionOn(id).decision === word)) : '';
    button.tabIndex = place === current ? 0 : -1;  // one stop for the Tab key; arrow keys move
    button.toggleAttribute('aria-current', false);
    if (place === current) button.setAttribute('aria-current', 'true');
  });
}

// Scrolls the thumbnails, and not the page, until one is visible.
function revealThumbnail(place) {
  const {left, right, top, bottom} = thumbnails[place].getBoundingClientRect();
  for (const box of [element('thumbnails'), element('thumbnails').parentNode]) {
    const frame = box.getBoundingClientRect();
    box.scrollBy(Math.min(0, left - frame.left - 8) + Math.max(0, right - frame.right + 8),
      Math.min(0, top - frame.top - 8) + Math.max(0, bottom - frame.bottom + 8));
  }
}

for (const one of content.reasons) {
  const number = entries.filter(entry => entry.reasons.includes(one)).length;
  reason.add(new Option(`${one} (${number})`, one));
}
for (const filter of [reason, undecided]) {
  filter.addEventListener('change', () => {
    const shown = entries.filter(isShown).length;
    const goal = entries[current] && isShown(entries[current])
      ? current : nearest(current, 1) ?? nearest(current, -1);
    if (goal === null) refresh();
    else show(goal);
    say(shown ? `${count(shown, 'picture or pair', 'pictures and pairs')} shown.` : 'Nothing left to show.');
  });
}
