// The panel of uploads, and how files come into it: by buttons, and by dropping files and whole folders.

import { element, named, question, say, visible } from './ask.js';
import { Queue } from './queue.js';
import { size } from './server.js';

const ROWS_MAX = 200;
const SAID_EVERY_MS = 10_000;

const queue = new Queue();
let panel = null;
let onEnd = () => {};
/** Bytes that have gone, at moments of the last seconds. */
let marks = [];
let said = 0;

export const isBusy = () => queue.isBusy;

/** Says where uploads go, and what to do when they have ended. */
export function begin(folderNow, ended) {
  onEnd = ended;
  queue.whatThen = whatThen;
  queue.addEventListener('changed', soon);
  queue.addEventListener('ended', finish);
  queue.addEventListener('over', signInAgain);
  window.addEventListener('beforeunload', (event) => queue.isBusy && event.preventDefault());
  setInterval(() => queue.isBusy && soon(), 1000);
  takeDrops(folderNow);
}

/** Lets the person pick files, or a folder. */
export function pick(folder, wholeFolder) {
  const input = element('input', { type: 'file', multiple: true, hidden: true, webkitdirectory: wholeFolder });
  input.addEventListener('change', () => {
    take(folder, [...input.files].map((file) => ({ within: file.webkitRelativePath || file.name, file })));
    input.remove();
  });
  input.addEventListener('cancel', () => input.remove());
  document.body.append(input);
  input.click();
}

function take(folder, found) {
  if (!found.length) return;
  if (!queue.isBusy) marks = [];
  queue.add(folder, found);
  const files = found.filter((one) => one.file).length;
  say(files === 1 ? `Uploading ${visible(found.find((one) => one.file).within)}` : `Uploading ${files} files`, false);
}

function takeDrops(folderNow) {
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
  const over = (by) => {
    depth = Math.max(0, depth + by);
    document.body.classList.toggle('drop', depth > 0 && folderNow() !== null);
  };
  document.addEventListener('dragenter', (event) => carriesFiles(event) && (event.preventDefault(), over(1)));
  document.addEventListener('dragleave', (event) => carriesFiles(event) && over(-1));
  document.addEventListener('dragover', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = folderNow() === null ? 'none' : 'copy';
  });
  document.addEventListener('drop', async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    over(-depth);
    const folder = folderNow();
    if (folder === null) return say('You may not upload into this folder.');
    // The entries must be taken at once: after the first wait the browser has emptied the event.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [...event.dataTransfer.files].map((file) => ({ within: file.name, file }));
    try {
      take(folder, entries.length ? (await Promise.all(entries.map(walk))).flat() : files);
    } catch {
      say('What was dropped could not be read.');
    }
  });
}

/** All files below an entry, and folders that hold nothing. */
async function walk(entry) {
  const within = entry.fullPath.replace(/^\//, '');
  if (entry.isFile) return [{ within, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    for (const one of some) found.push(...await walk(one));
  }
  return found.length ? found : [{ within, file: null }];
}

async function whatThen(job) {
  const always = element('input', { type: 'checkbox' });
  const how = await question({
    title: 'Something has this name already',
    fields: [element('p', {}, named(job.name)), element('label', {}, always, ' The same for all that follow')],
    button: 'Replace it',
    others: [['Skip', 'skip'], ['Keep both', 'both']],
    done: () => 'replace',
  });
  return { how: how || 'skip', always: always.checked };
}

async function signInAgain() {
  const link = element('a', { href: '/sign-in?next=/account', target: '_blank', rel: 'opener' }, 'Sign in again in a new tab');
  const on = await question({
    title: 'You are signed in no more',
    fields: [element('p', {}, link, ', then come back here. What was sent is kept.')],
    button: 'Go on',
  });
  if (on) queue.resume();
}

let pending = false;
function soon() {
  if (pending) return;
  pending = true;
  setTimeout(() => {
    pending = false;
    draw();
  }, 100);
}

function finish() {
  draw();
  const failed = queue.jobs.filter((job) => job.state === 'failed').length;
  const done = queue.jobs.filter((job) => job.state === 'done' && job.file).length;
  const files = (number) => (number === 1 ? '1 file' : `${number} files`);
  say(failed ? `${files(done)} uploaded, ${files(failed)} failed` : `${files(done)} uploaded`, !failed);
  onEnd();
}

function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** Bytes a second over the last seconds; 0: not known. */
function speed(sent) {
  const now = performance.now();
  marks = marks.filter(([at, bytes]) => now - at < 8000 && bytes <= sent);
  if (!marks.length || now - marks[marks.length - 1][0] > 200) marks.push([now, sent]);
  const [at, bytes] = marks[0];
  return now - at > 700 ? ((sent - bytes) * 1000) / (now - at) : 0;
}

function build() {
  const parts = {
    title: element('h2', { id: 'loads' }),
    pause: element('button', { type: 'button', onclick: () => (queue.paused ? queue.resume() : queue.pause()) }),
    close: element('button', { type: 'button', class: 'quiet', onclick: close }, 'Close'),
    text: element('span'),
    whole: element('progress', { max: '1', 'aria-labelledby': 'loads' }),
    list: element('ul'),
    rows: new Map(),
  };
  parts.box = element('section', { class: 'loads', 'aria-labelledby': 'loads' }, element('header', {}, parts.title, parts.pause, parts.close), element('div', { class: 'whole' }, parts.text, parts.whole), parts.list);
  document.body.append(parts.box);
  return parts;
}

function close() {
  panel.box.remove();
  panel = null;
  queue.jobs = [];
  document.querySelector('main')?.focus();
}

function draw() {
  if (!queue.jobs.length) return;
  panel ||= build();
  const jobs = queue.jobs.filter((job) => job.state !== 'skipped');
  const all = jobs.reduce((sum, job) => sum + job.bytes, 0);
  const sent = jobs.reduce((sum, job) => sum + Math.min(job.sent, job.bytes), 0);
  const done = jobs.filter((job) => job.state === 'done').length;
  const failed = jobs.filter((job) => job.state === 'failed').length;
  const busy = queue.isBusy;
  const rate = speed(sent);
  const pace = busy && !queue.paused && rate > 0 ? `, ${size(rate)}/s, ${duration((all - sent) / rate)} left` : '';
  const state = queue.paused && busy ? 'Paused' : busy ? 'Uploading' : failed ? 'Not all was uploaded' : 'Uploaded';
  panel.title.textContent = `${state}: ${done} of ${jobs.length}`;
  panel.text.textContent = `${size(sent)} of ${size(all)}${pace}`;
  panel.whole.value = all ? sent / all : jobs.length ? done / jobs.length : 1;
  panel.pause.hidden = !busy;
  panel.pause.textContent = queue.paused ? 'Go on' : 'Pause';
  panel.close.hidden = busy;
  if (busy && performance.now() - said > SAID_EVERY_MS) {
    said = performance.now();
    say(`${state}: ${Math.round(panel.whole.value * 100)} percent${pace}`, false);
  }
  drawRows();
}

const RANK = { asks: 0, runs: 1, failed: 2, paused: 3, waits: 4, skipped: 5, done: 6 };

function drawRows() {
  const jobs = [...queue.jobs].sort((a, b) => RANK[a.state] - RANK[b.state]).slice(0, ROWS_MAX);
  const rows = new Map();
  for (const job of jobs) {
    const row = panel.rows.get(job) || rowOf(job);
    rows.set(job, row);
    const words = { waits: 'Waits', paused: 'Paused', asks: 'Has a question', done: 'Done' };
    row.box.className = job.state === 'runs' && job.says ? 'waits' : job.state;
    row.what.textContent = job.says || words[job.state] || `${size(job.sent)} of ${size(job.bytes)}`;
    row.bar.hidden = job.state !== 'runs' && job.state !== 'paused';
    row.bar.value = job.bytes ? job.sent / job.bytes : 0;
    const act = { failed: 'Retry', runs: 'Cancel', waits: 'Cancel', paused: 'Cancel' }[job.state];
    row.act.hidden = !act;
    if (act && row.act.textContent !== act) {
      row.act.textContent = act;
      row.act.setAttribute('aria-label', `${act}: ${visible(job.name)}`);
    }
  }
  panel.rows = rows;
  const wanted = [...rows.values()].map((row) => row.box);
  // Who stands on a button stays there: only what must move is moved.
  wanted.forEach((box, at) => panel.list.children[at] !== box && panel.list.insertBefore(box, panel.list.children[at] || null));
  while (panel.list.children.length > wanted.length) panel.list.lastChild.remove();
}

function rowOf(job) {
  const row = {
    what: element('span', { class: 'what' }),
    bar: element('progress', { max: '1', 'aria-label': visible(job.name) }),
    act: element('button', { type: 'button', onclick: () => (job.state === 'failed' ? queue.again(job) : queue.drop(job)) }),
  };
  row.box = element('li', {}, named(job.name), row.act, row.what, row.bar);
  return row;
}
