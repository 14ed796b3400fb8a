// The browser's storage, a key for each photo of a data set. Everything works without it, as browsers may
// refuse it: then decisions are kept while the page is open, and it says so.

const PREFIX = 'rootstock review ';

const store = {
  refused: false,

  // The decisions that are stored for this data set.
  read() {
    const found = [];
    this.attempt(storage => {
      for (let i = 0; i < storage.length; i++) {
        const one = this.parse(storage.key(i), storage.getItem(storage.key(i)));
        if (one) found.push(one);
      }
    });
    return found;
  },

  write(id, {decision, label, at}) {
    this.attempt(storage => storage.setItem(this.key(id), JSON.stringify({decision, label, at})));
  },

  // Calls back with each decision that another tab makes.
  listen(heard) {
    addEventListener('storage', event => {
      const one = event.key && this.parse(event.key, event.newValue);
      if (one) heard(one);
    });
  },

  key(id) {
    return PREFIX + JSON.stringify([name, id]);
  },

  // The decision in a key and its value; null for anything else.
  parse(key, value) {
    if (!key.startsWith(PREFIX)) return null;
    try {
      const [dataSet, id] = JSON.parse(key.slice(PREFIX.length));
      const {decision, label, at} = JSON.parse(value);
      const known = decision === '' || WORDS.includes(decision);
      return dataSet === name && known && typeof at === 'number' ? {id, decision, label, at} : null;
    } catch {
      return null;
    }
  },

  attempt(action) {
    try {
      action(localStorage);
    } catch {
      this.refused = true;
    }
  },
};
