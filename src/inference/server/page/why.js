// The "why?" buttons of a card: each shows, over the picture, where the model looks for its class.

import { explain, Fault } from './ask.js';

/** Makes `button` show the explanation of `label` in the card's figure, and hide it when pressed again. */
export function listenForWhy(card, button, label) {
  card.explanations ??= new Map(); // addresses of pictures, by class
  button.setAttribute('aria-pressed', 'false');
  button.addEventListener('click', async () => {
    const pressed = button.getAttribute('aria-pressed') === 'true';
    release(card);
    if (pressed) return;
    button.setAttribute('aria-pressed', 'true');
    button.disabled = true;
    try {
      if (!card.explanations.has(label)) {
        const picture = await explain(card, label, card.stop.signal);
        if (card.stop.signal.aborted) return;
        card.explanations.set(label, URL.createObjectURL(picture));
      }
      if (button.getAttribute('aria-pressed') === 'true') draw(card, card.explanations.get(label), label);
    } catch (error) {
      if (card.stop.signal.aborted) return;
      button.setAttribute('aria-pressed', 'false');
      card.part('.state').textContent = error instanceof Fault ? error.message : 'It cannot be explained.';
    } finally {
      button.disabled = false;
    }
  });
}

/** Releases the memory of the explanations. */
export function forgetWhy(card) {
  for (const address of card.explanations?.values() ?? []) URL.revokeObjectURL(address);
}

function draw(card, address, label) {
  const picture = document.createElement('img');
  picture.className = 'explanation';
  picture.src = address;
  picture.alt = `Bright: where the model looks for ${label.replaceAll('_', ' ')}`;
  const caption = document.createElement('figcaption');
  caption.textContent = picture.alt;
  caption.ariaHidden = 'true'; // a screen reader reads it from the picture
  card.part('figure').append(picture, caption);
}

/** Shows the picture itself again. */
function release(card) {
  for (const shown of card.element.querySelectorAll('.explanation, figcaption')) shown.remove();
  for (const other of card.element.querySelectorAll('.why')) other.setAttribute('aria-pressed', 'false');
}
