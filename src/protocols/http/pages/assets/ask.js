// Questions to the person, and words that a screen reader says too.

import { foldersIn, nameOf, folderOf, shown } from './server.js';

/** An element. Text comes in as text, never as markup. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** What hides in a name, or turns round what stands after it, is named instead. */
export function visible(name) {
  const hidden = /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;
  return name.replace(hidden, (one) => `⟨U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}

export const named = (name) => element('bdi', {}, visible(name));

const live = element('div', { role: 'status', 'aria-live': 'polite', class: 'hid' });
document.body.append(live);
let toast;

/** Says something for a moment. */
export function say(text, seen = true) {
  live.textContent = '';
  setTimeout(() => (live.textContent = text), 50);
  if (!seen) return;
  toast?.remove();
  const one = element('div', { class: 'toast', 'aria-hidden': 'true' }, text);
  toast = one;
  document.body.append(one);
  setTimeout(() => one.remove(), 5000);
}

let count = 0;

/**
 * Asks by a dialog. `fields` are elements; `done` makes the answer of them and may throw what is shown as wrong.
 * Gives null if the person thinks better of it.
 */
export function question({ title, fields = [], button, grave = false, others = [], done = () => true }) {
  const id = `dialog-${(count += 1)}`;
  const wrong = element('p', { class: 'wrong', role: 'alert' });
  const ends = element('div', { class: 'ends' });
  const form = element('form', { method: 'dialog' }, element('h2', { id }, title), ...fields, wrong, ends);
  const dialog = element('dialog', { 'aria-labelledby': id }, form);
  return new Promise((resolve) => {
    let result = null;
    const back = element('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel');
    const go = element('button', { class: grave ? 'main grave' : 'main' }, button);
    const more = others.map(([text, value]) => element('button', { type: 'button', onclick: () => end(value) }, text));
    ends.append(back, ...more, go);
    const end = (value) => {
      result = value;
      dialog.close();
    };
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      wrong.textContent = '';
      go.disabled = true;
      try {
        end(await done());
      } catch (error) {
        wrong.textContent = error.message;
      } finally {
        go.disabled = false;
      }
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
    const first = form.querySelector('[data-first], input[type=text]');
    (first || (grave ? back : go)).focus();
    if (first?.select) {
      // Of a file's name the part before its ending is what people change.
      const dot = first.value.lastIndexOf('.');
      first.setSelectionRange(0, first.dataset.first === 'stem' && dot > 0 ? dot : first.value.length);
    }
  });
}

/** Asks for a name. */
export function askName({ title, label, value = '', button, isFile = false, done }) {
  const id = `name-${(count += 1)}`;
  const input = element('input', { type: 'text', id, value, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none', required: true, 'data-first': isFile ? 'stem' : 'all' });
  return question({
    title,
    button,
    fields: [element('label', { for: id }, label), input],
    done: () => {
      const name = input.value;
      if (!name.trim()) throw new Error('Write a name.');
      if (name.includes('/')) throw new Error('A name cannot hold a slash.');
      if (name === '.' || name === '..') throw new Error('This cannot be a name.');
      return done(name);
    },
  });
}

/** Asks for a folder: by going there, or by typing its path. Paths are percent-encoded. */
export function askFolder({ title, button, start, encode, done }) {
  const id = `place-${(count += 1)}`;
  const input = element('input', { type: 'text', id, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' });
  const places = element('div', { class: 'places', role: 'group', 'aria-label': 'Folders' });
  let here = start;
  let typed = false;
  input.addEventListener('input', () => (typed = true));
  const go = async (path) => {
    here = path;
    typed = false;
    input.value = shown(path) || '/';
    const rows = [];
    if (path) rows.push(element('button', { type: 'button', onclick: () => go(folderOf(path)) }, '↑ The folder above'));
    try {
      for (const one of await foldersIn(path)) {
        rows.push(element('button', { type: 'button', onclick: () => go(one) }, named(shown(nameOf(one)))));
      }
      if (rows.length === (path ? 1 : 0)) rows.push(element('p', {}, 'No folders in here.'));
    } catch (error) {
      rows.push(element('p', {}, error.message));
    }
    if (here !== path) return;
    const inside = places.contains(document.activeElement);
    places.replaceChildren(...rows);
    if (inside) (places.querySelector('button') || input).focus();
  };
  go(start);
  return question({
    title,
    button,
    fields: [element('label', { for: id }, 'Into the folder'), input, places],
    done: () => done(typed ? encode(input.value) : here),
  });
}
