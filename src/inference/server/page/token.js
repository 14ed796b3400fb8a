// Requests to a server that needs a token: the page asks for it once, and keeps it until the tab is closed.

const KEY = 'rootstock-token';
let asked = null; // a promise, while the dialog is open

/** As `fetch`; on 401 the page asks for the token and sends the request again, unless the dialog is closed. */
export async function fetchWithToken(address, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...token && { Authorization: `Bearer ${token}` } };
    const response = await fetch(address, { ...options, headers });
    if (response.status !== 401 || !document.getElementById('token')) return response;
    if (sessionStorage.getItem(KEY) !== token) continue; // another request asked for it meanwhile
    asked ??= ask(token !== null).finally(() => { asked = null; });
    if (!await asked) return response;
  }
}

/** Shows the dialog. Returns whether a token was entered. */
function ask(refused) {
  const [dialog, text, note] = ['token', 'token-text', 'token-note'].map((id) => document.getElementById(id));
  text.value = '';
  note.textContent = refused ? 'This token is not valid.' : '';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      const entered = dialog.returnValue === 'send';
      if (entered) sessionStorage.setItem(KEY, text.value.trim());
      resolve(entered);
    }, { once: true });
  });
}
