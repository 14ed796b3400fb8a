// What the page was written with, and its pictures.

const content = JSON.parse(document.getElementById('content').textContent);
const {name, classes, photos, entries} = content;
const byId = new Map(photos.map(photo => [photo.id, photo]));

// The address of the 'picture' or the 'thumbnail' of a photo (a number); null if there is none.
function pictureOf(kind, number) {
  const text = document.getElementById(`${kind}-${number}`)?.textContent;
  return text ? 'data:image/jpeg;base64,' + text : null;
}

function count(number, noun, plural = noun + 's') {
  return `${number.toLocaleString('en')} ${number === 1 ? noun : plural}`;
}

function element(id) {
  return document.getElementById(id);
}
