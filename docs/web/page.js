// The page: ?model=ADDRESS names another model than the one that ships.

const SHIPPED = '../../frozen/pocket_dogs.tflite';
const MOST_CLASSES = 5;
const [status, file, picture, classes] = ['status', 'file', 'picture', 'classes'].map((id) =>
  document.getElementById(id),
);
const address = new URLSearchParams(location.search).get('model') ?? SHIPPED;

function fail(error) {
  status.textContent = `Error: ${error.message}`;
  picture.closest('figure').hidden = true; // it shows an earlier picture
}

/** The module of the classifier, which imports LiteRT.js. */
async function library() {
  try {
    return await import('./classifier.js');
  } catch (error) {
    throw new Error(`LiteRT.js cannot be loaded: run "npm install" in this folder (${error.message})`);
  }
}

function show(found) {
  classes.replaceChildren(
    ...found.slice(0, MOST_CLASSES).map(({label, probability}) => {
      const item = document.createElement('li');
      const meter = Object.assign(document.createElement('meter'), {value: probability, ariaLabel: label});
      item.append(label, ' ', `${(100 * probability).toFixed(1)} %`, meter);
      return item;
    }),
  );
}

try {
  const {openClassifier} = await library();
  const classifier = await openClassifier(address);
  const ready = `${classifier.labels.length} classes. Pictures stay on this device.`;
  status.textContent = ready;
  file.disabled = false;
  file.addEventListener('change', async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    try {
      const found = await classifier.classify(chosen);
      URL.revokeObjectURL(picture.src);
      picture.src = URL.createObjectURL(chosen);
      show(found);
      status.textContent = ready;
      picture.closest('figure').hidden = false;
    } catch (error) {
      fail(error);
    }
  });
} catch (error) {
  fail(error);
}
