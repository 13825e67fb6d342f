// The file manager in the browser: what is clicked and typed, and who does it. Without this the pages still show
// folders, sort, filter and give out files.

import { say } from './ask.js';
import * as files from './files.js';
import * as preview from './preview.js';
import * as rows from './rows.js';
import * as uploads from './uploads.js';

async function refresh(focus) {
  const here = location.pathname + location.search;
  if ((await rows.load(here, { keep: true, focus, push: false })) === null) location.assign('/files/');
}

const doing = {
  upload: () => uploads.pick(rows.folder(), false),
  'upload-folder': () => uploads.pick(rows.folder(), true),
  'make-folder': async () => {
    const path = await files.makeFolder(rows.folder());
    if (path) await refresh(path);
  },
  download: () => files.download(rows.meant()),
  rename: async () => {
    const [item] = rows.meant();
    const path = await files.rename(item);
    if (!path) return;
    rows.pickAll(false);
    await refresh(path);
  },
  move: () => carry('move-to'),
  copy: () => carry('copy-to'),
  delete: async () => {
    const items = rows.meant();
    const focus = rows.beside(items.map((item) => item.path));
    if (await files.remove(items)) await refresh(focus);
  },
  clear: () => rows.pickAll(false),
};

async function carry(way) {
  const items = rows.meant();
  const focus = way === 'move-to' ? rows.beside(items.map((item) => item.path)) : items[0].path;
  if (!await files.carry(way, items, rows.folder())) return;
  rows.pickAll(false);
  await refresh(focus);
}

async function act(name) {
  try {
    await doing[name]();
  } catch (error) {
    say(error.message);
  }
}

/** Whether a key may do something with what is meant. */
function may(letter, one = false) {
  const items = rows.meant();
  return items.length > 0 && (!one || items.length === 1) && items.every((item) => item.may.includes(letter));
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-do]');
  if (button) return act(button.dataset.do);
  if (event.target.id === 'all') return rows.pickAll(event.target.checked);
  const row = rows.rowOf(event.target);
  if (row && event.target.type === 'checkbox') return rows.pick(row, event.target.checked, event.shiftKey);
  const link = event.target.closest('main[data-folder] a[href]');
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !plain) {
    if (row && !link && plain && !String(getSelection())) rows.pick(row, !row.querySelector('input').checked);
    return undefined;
  }
  if (row && row.dataset.kind === 'file') {
    const item = rows.item(row);
    if (!preview.canShow(item)) return undefined;
    event.preventDefault();
    const all = rows.items().filter((one) => preview.canShow(one) && one.may.includes('r'));
    return preview.show(all, all.findIndex((one) => one.path === item.path), files.download);
  }
  if (row && row.dataset.kind !== 'folder') return undefined;
  event.preventDefault();
  return go(link.href, null);
});

async function go(href, focus, push = true) {
  const shown = await rows.load(href, { focus, push });
  if (shown === null) location.assign(href);
}

document.addEventListener('submit', (event) => {
  if (!event.target.matches('main[data-folder] .filter')) return;
  event.preventDefault();
  const query = new URLSearchParams(new FormData(event.target));
  if (!query.get('q')) query.delete('q');
  go(`${location.pathname}?${query}`, null).then(() => document.querySelector('#q')?.focus());
});

document.addEventListener('search', (event) => event.target.id === 'q' && !event.target.value && event.target.form.requestSubmit());

document.addEventListener('keydown', (event) => {
  if (rows.folder() === null || document.querySelector('dialog[open]')) return;
  const typing = event.target.matches('input:not([type=checkbox]), select');
  const command = event.ctrlKey || event.metaKey;
  if (event.altKey || (typing && event.key !== 'Escape')) return;
  const inRow = rows.rowOf(event.target);
  const keys = {
    ArrowDown: () => rows.step(1),
    ArrowUp: () => rows.step(-1),
    Home: () => inRow && rows.step(-Infinity),
    End: () => inRow && rows.step(Infinity),
    ' ': () => inRow && event.target.matches('a') ? rows.pick(inRow, !inRow.querySelector('input').checked, event.shiftKey) : false,
    F2: () => may('n', true) && act('rename'),
    Delete: () => may('d') && act('delete'),
    Escape: () => (typing ? rows.step(0) : rows.pickAll(false)),
    '/': () => document.querySelector('#q').focus(),
    Backspace: () => rows.folder() && go('..', rows.folder()),
  };
  const key = command ? { a: () => rows.pickAll(true) }[event.key] : keys[event.key];
  if (key && key() !== false) event.preventDefault();
});

window.addEventListener('popstate', () => go(location.href, null, false));

if (rows.folder() !== null) {
  rows.ready();
  uploads.begin(() => (rows.mayHere('w') ? rows.folder() : null), () => refresh(null));
} else {
  rows.ready();
}
