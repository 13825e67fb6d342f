// The rows of a folder: which are selected, the keyboard, and coming to another folder without leaving the page, so that
// uploads go on.

import { say } from './ask.js';
import { nameOf, shown } from './server.js';

let last = null;

const main = () => document.querySelector('main[data-folder]');
const rows = () => [...document.querySelectorAll('main[data-folder] .list tbody tr')];
const box = (row) => row.querySelector('input[type=checkbox]');

const itemOf = (row) => ({ path: row.dataset.path, kind: row.dataset.kind, may: row.dataset.may, bytes: Number(row.dataset.bytes) });

export const folder = () => main()?.dataset.folder ?? null;
export const mayHere = (letter) => Boolean(main()?.dataset.may.includes(letter));
export const items = () => rows().map(itemOf);
export const picked = () => rows().filter((row) => box(row).checked).map(itemOf);
export const rowOf = (from) => from.closest?.('main[data-folder] .list tbody tr');
export const item = (row) => itemOf(row);

/** The item of the row that has the focus, where nothing is selected. */
export function meant() {
  const some = picked();
  const row = rowOf(document.activeElement);
  return some.length || !row ? some : [itemOf(row)];
}

export function pick(row, on, range = false) {
  const all = rows();
  const from = range && last ? all.findIndex((one) => one.dataset.path === last) : -1;
  const to = all.indexOf(row);
  const some = from < 0 ? [row] : all.slice(Math.min(from, to), Math.max(from, to) + 1);
  for (const one of some) box(one).checked = on;
  last = row.dataset.path;
  update();
}

export function pickAll(on) {
  for (const row of rows()) box(row).checked = on;
  update();
}

/** Shows what can be done with what is selected. */
export function update() {
  const some = picked();
  const all = rows();
  for (const row of all) row.classList.toggle('on', box(row).checked);
  const every = document.querySelector('#all');
  if (every) {
    every.checked = some.length > 0 && some.length === all.length;
    every.indeterminate = some.length > 0 && some.length < all.length;
  }
  const bar = document.querySelector('.picked');
  if (!bar) return;
  bar.hidden = some.length === 0;
  bar.querySelector('.count').textContent = some.length ? `${some.length} selected` : '';
  const may = (letter) => some.every((one) => one.may.includes(letter));
  const offered = { download: may('r'), rename: some.length === 1 && may('n'), move: may('n'), copy: may('r'), delete: may('d'), clear: true };
  for (const button of bar.querySelectorAll('button')) button.hidden = !offered[button.dataset.do];
}

/** What the server cannot know: the person's own time, and that a script is here. */
export function ready() {
  for (const hidden of document.querySelectorAll('.acts[data-for=folder], .list input[type=checkbox]')) hidden.hidden = false;
  for (const time of document.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    const two = (number) => String(number).padStart(2, '0');
    time.textContent = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
    time.title = at.toLocaleString();
  }
  update();
}

let loading = 0;

/** Shows another page in the place of this one; `focus` is the path of a row, or nothing for the top. */
export async function load(href, { keep = false, focus = null, push = true } = {}) {
  const number = (loading += 1);
  let answer;
  let text;
  try {
    answer = await fetch(href, { credentials: 'same-origin', headers: { Accept: 'text/html' } });
    text = await answer.text();
  } catch {
    say('The server cannot be reached.');
    return false;
  }
  if (number !== loading) return false;
  const page = new DOMParser().parseFromString(text, 'text/html');
  const next = page.querySelector('main[data-folder]');
  if (!next) return null;
  const selected = keep ? new Set(picked().map((one) => one.path)) : new Set();
  const scrolled = keep ? window.scrollY : 0;
  const stood = keep ? whereStood() : null;
  document.title = page.title;
  main().replaceWith(document.adoptNode(next));
  if (push) history.pushState(null, '', answer.url);
  for (const row of rows()) box(row).checked = selected.has(row.dataset.path);
  ready();
  window.scrollTo(0, scrolled);
  if (focus !== null || !keep) stand(focus);
  else stood?.();
  if (!keep) say(`${shown(nameOf(folder())) || 'Files'}: ${document.querySelector('.sum')?.textContent || ''}`, false);
  return true;
}

/** A way back to what has the focus in this page; null: nothing of the page has it. */
function whereStood() {
  const active = document.activeElement;
  const path = rowOf(active)?.dataset.path;
  if (!main().contains(active)) return null;
  if (path) return () => stand(path);
  const same = active.id ? `#${active.id}` : active.dataset.do ? `main [data-do=${active.dataset.do}]` : null;
  const typed = active.id === 'q' ? active.value : null;
  return () => {
    const found = same && document.querySelector(same);
    (found || main()).focus({ preventScroll: true });
    if (found && typed !== null) found.value = typed;
  };
}

/** Puts the focus on a row, or at the top where that is not there. */
function stand(path) {
  const row = path && rows().find((one) => one.dataset.path === path);
  const place = row ? row.querySelector('a, input') : main();
  place?.focus({ preventScroll: !row });
  row?.scrollIntoView({ block: 'nearest' });
}

/** The row after or before the one with the focus. */
export function step(by) {
  const all = rows();
  const at = all.indexOf(rowOf(document.activeElement));
  const row = all[Math.min(all.length - 1, Math.max(0, at + by))];
  (row?.querySelector('.name a') || (row && box(row)))?.focus();
}

/** Where the focus goes when these rows are gone. */
export function beside(paths) {
  const all = rows();
  const gone = new Set(paths);
  const from = all.findIndex((row) => gone.has(row.dataset.path));
  const next = all.slice(from + 1).find((row) => !gone.has(row.dataset.path));
  const before = all.slice(0, Math.max(0, from)).reverse().find((row) => !gone.has(row.dataset.path));
  return (next || before)?.dataset.path ?? null;
}
