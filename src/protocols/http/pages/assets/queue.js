// Uploads on their way: several at once, paused, gone on with, tried again. What is shown of them is left to `uploads`.
//
// A large file goes in steps that any node takes: when one dies, the next request finds another, which says how much it
// has. A small file goes whole.

import { API, Refused, TREE, ask, bytesOf, encodeName, folderOf, look, nameOf, problem, shown } from './server.js';

const AT_ONCE = 3;
const IN_STEPS_BYTES = 8 * 1024 * 1024;
const STEP_BYTES = 16 * 1024 * 1024;
const TRIES_MAX = 20;
const PAUSE_SECONDS_MAX = 30;
/** A connection that moves nothing for so long is given up: a node that lost its power says no goodbye. */
const STALLED_MS = 30_000;
/** How long the answer may take when all is sent: the storage may have much to write. */
const ANSWER_MS = 180_000;
const TUS = { 'Tus-Resumable': '1.0.0' };

/** The connection, or the node, broke: the same again may go well. */
const mayGoWell = (error) => [0, 423, 429].includes(error.status) || error.status >= 500 && error.status !== 507;

let steps;
/** Whether the server takes uploads in steps. */
function inSteps() {
  steps ||= fetch(`${API}/uploads`, { method: 'OPTIONS' })
    .then((answer) => answer.ok && answer.headers.has('Tus-Resumable'))
    .catch(() => {
      steps = undefined;
      return false;
    });
  return steps;
}

export class Queue extends EventTarget {
  jobs = [];
  paused = false;
  #running = 0;
  #folders = new Map();
  /** What was said for all that meets something of its name: `replace`, `both`, `skip`. */
  #always = null;
  #asking = Promise.resolve();
  /** Asks what to do with a job that meets something of its name; gives `{ how, always }`. */
  whatThen = async () => ({ how: 'skip', always: false });

  /** Takes files: `within` is their path below `folder`, with slashes. */
  add(folder, found) {
    if (!this.isBusy) {
      this.jobs = [];
      this.#always = null;
      this.#folders.clear();
    }
    for (const { within, file } of found) {
      const target = folder + within.split('/').map((part) => `/${encodeName(part)}`).join('');
      this.jobs.push({ folder, target, file, bytes: file?.size || 0, name: within, state: 'waits', sent: 0, tries: 0, says: '' });
    }
    this.#changed();
    this.#fill();
  }

  get isBusy() {
    return this.jobs.some((job) => ['waits', 'runs', 'pausing', 'paused', 'asks'].includes(job.state));
  }

  pause() {
    this.paused = true;
    for (const job of this.jobs) {
      if (job.state === 'runs' || job.state === 'pausing') job.stop?.abort();
    }
    this.#changed();
  }

  resume() {
    this.paused = false;
    for (const job of this.jobs) {
      if (job.state === 'paused') job.state = 'waits';
    }
    this.#fill();
  }

  /** Tries a job that failed again. */
  again(job) {
    Object.assign(job, { state: 'waits', tries: 0, says: '' });
    this.#fill();
  }

  /** Gives a job up. */
  drop(job) {
    const { state } = job;
    job.state = 'skipped';
    job.says = 'Cancelled';
    job.stop?.abort();
    if (job.url) fetch(job.url, { method: 'DELETE', headers: TUS }).catch(() => {});
    if (state !== 'runs') this.#changed();
    this.#ended();
  }

  #changed() {
    this.dispatchEvent(new Event('changed'));
  }

  #ended() {
    this.#changed();
    if (!this.isBusy) this.dispatchEvent(new Event('ended'));
  }

  #fill() {
    while (!this.paused && this.#running < AT_ONCE) {
      const job = this.jobs.find((one) => one.state === 'waits');
      if (!job) break;
      this.#running += 1;
      job.state = 'runs';
      this.#run(job).finally(() => {
        this.#running -= 1;
        this.#ended();
        this.#fill();
      });
    }
    this.#changed();
  }

  async #run(job) {
    job.begun ??= performance.now();
    for (;;) {
      job.stop = new AbortController();
      try {
        await this.#once(job);
        if (job.state === 'runs') Object.assign(job, { state: 'done', sent: job.bytes, says: '' });
        return;
      } catch (error) {
        if (job.state === 'skipped') return;
        if (this.paused || error.name === 'AbortError') {
          job.state = 'paused';
          return;
        }
        if (error.status === 401) {
          job.state = 'paused';
          this.paused = true;
          this.dispatchEvent(new Event('over'));
          return;
        }
        job.tries += 1;
        job.broke = true;
        if (!mayGoWell(error) || job.tries >= TRIES_MAX) {
          Object.assign(job, { state: 'failed', says: error.message });
          return;
        }
        await this.#wait(job, error);
        if (job.state !== 'runs') return;
        if (this.paused) {
          job.state = 'paused';
          return;
        }
      }
    }
  }

  /** A growing pause, unlike those of others, so that not all come back at once. */
  async #wait(job, error) {
    const seconds = Math.min(PAUSE_SECONDS_MAX, 2 ** (job.tries - 1)) * (0.7 + Math.random() * 0.6);
    job.says = error.status === 0 ? 'The connection broke; trying again' : 'The server is busy; trying again';
    this.#changed();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      job.stop.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()));
      window.addEventListener('online', resolve, { once: true });
    });
    job.says = '';
  }

  async #once(job) {
    const made = await this.#makeFolders(job);
    if (!job.file) return;
    if (!made && !job.replaces && !job.url && await this.#stands(job, await look(job.target))) return;
    try {
      if (job.bytes > IN_STEPS_BYTES && await inSteps()) await this.#inSteps(job);
      else await this.#whole(job);
    } catch (error) {
      if (error.status !== 412) throw error;
      // Somebody else was faster than our look, or what is there is not ours to see.
      job.replaces = false;
      if (await this.#stands(job, await look(job.target) || {})) return;
      job.replaces = true;
      await this.#once(job);
    }
  }

  /** Whether the job need not go on: for what is there, or for what the person says to it. */
  async #stands(job, there) {
    if (!there) return false;
    // After a break what came while we sent it is our own: all of it, where only the answer was lost; or the empty file
    // by which the node that was lost holds the name. Browsers send again by themselves too, and say nothing of it.
    const ours = (job.broke || job.sent > 0) && there.seconds <= (performance.now() - job.begun) / 1000 + 2;
    if (ours && there.bytes === job.bytes) return true;
    if (ours && there.bytes === 0) {
      job.replaces = true;
      return false;
    }
    await this.#met(job);
    return job.state !== 'runs';
  }

  /** Makes the folders that a job's path goes through; whether its own is new, and so holds nothing. */
  async #makeFolders(job) {
    const last = job.file ? folderOf(job.target) : job.target;
    let path = job.folder;
    let made = false;
    for (const part of last.slice(job.folder.length).split('/').filter(Boolean)) {
      path = `${path}/${part}`;
      if (!this.#folders.has(path)) this.#folders.set(path, this.#makeFolder(path));
      made = await this.#folders.get(path);
    }
    return made;
  }

  async #makeFolder(path) {
    try {
      await ask('POST', `${TREE}${path}?make-folder`);
      return true;
    } catch (error) {
      if (error.word === 'exists') return false;
      this.#folders.delete(path);
      throw error;
    }
  }

  /** Something has the name: one question after another, or what was said for all. */
  async #met(job) {
    job.state = 'asks';
    this.#changed();
    const asked = this.#asking.then(async () => {
      if (this.#always) return this.#always;
      const { how, always } = await this.whatThen(job);
      if (always) this.#always = how;
      return how;
    });
    this.#asking = asked.catch(() => {});
    const how = await asked;
    if (job.state !== 'asks') return;
    if (how === 'skip') {
      Object.assign(job, { state: 'skipped', says: 'Left as it was' });
      return;
    }
    if (how === 'both') job.target = await another(job.target);
    else job.replaces = true;
    job.state = 'runs';
    this.#changed();
  }

  async #whole(job) {
    const headers = job.replaces ? {} : { 'If-None-Match': '*' };
    job.sent = 0;
    await send('PUT', TREE + job.target, headers, job.file, job.stop.signal, (sent) => this.#moved(job, sent));
  }

  async #inSteps(job) {
    const { signal } = job.stop;
    if (job.url) await this.#where(job, signal);
    if (!job.url) await this.#begin(job, signal);
    while (job.sent < job.bytes) {
      const from = job.sent;
      const headers = { ...TUS, 'Upload-Offset': from, 'Content-Type': 'application/offset+octet-stream' };
      const piece = job.file.slice(from, from + STEP_BYTES);
      try {
        const answer = await send('PATCH', job.url, headers, piece, signal, (sent) => this.#moved(job, from + sent));
        job.sent = Number(answer('Upload-Offset') ?? from + piece.size);
      } catch (error) {
        job.sent = from;
        if (error.status === 409) await this.#where(job, signal);
        else if (error.status === 404 || error.status === 410) Object.assign(job, { url: null, sent: 0 });
        if (error.status !== 409 || !job.url) throw error.status === 404 || error.status === 410 ? new Refused(0, '', error.message) : error;
      }
    }
    job.url = null;
  }

  async #begin(job, signal) {
    const metadata = [`path ${bytesOf(job.target)}`, `filename ${bytesOf(nameOf(job.target))}`];
    if (job.replaces) metadata.push('overwrite');
    const headers = { ...TUS, 'Upload-Length': job.bytes, 'Upload-Metadata': metadata.join(',') };
    const answer = await ask('POST', `${API}/uploads`, { headers, signal });
    // The place is asked at whatever node the name of this page leads to.
    const place = new URL(answer.headers.get('Location'), location.href);
    job.url = place.pathname + place.search;
    job.sent = 0;
  }

  /** Asks how much the server has. */
  async #where(job, signal) {
    try {
      const answer = await ask('HEAD', job.url, { headers: TUS, signal });
      job.sent = Number(answer.headers.get('Upload-Offset'));
    } catch (error) {
      if (error.status !== 404 && error.status !== 410) throw error;
      Object.assign(job, { url: null, sent: 0 });
    }
  }

  #moved(job, sent) {
    if (sent > job.sent) job.tries = 0;
    job.sent = sent;
    this.#changed();
  }
}

/** A name beside it that nothing has. */
async function another(target) {
  const name = nameOf(target);
  const dot = name.lastIndexOf('.');
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let number = 2; number < 1000; number += 1) {
    const path = `${folderOf(target)}/${stem}%20%28${number}%29${ending}`;
    if (!await look(path)) return path;
  }
  throw new Refused(409, 'exists', `Too many files are called like “${shown(name)}”.`);
}

/** Sends a body and tells how much of it went; `fetch` does not. Gives a way to read the answer's headers. */
function send(method, url, headers, body, signal, moved) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    let stalled;
    const watch = (patience) => {
      clearTimeout(stalled);
      stalled = setTimeout(() => {
        reject(new Refused(0, 'unreachable', 'The connection stands still.'));
        request.abort();
      }, patience);
    };
    watch(STALLED_MS);
    request.upload.onprogress = (event) => {
      watch(STALLED_MS);
      moved(event.loaded);
    };
    request.upload.onload = () => watch(ANSWER_MS);
    request.onloadend = () => clearTimeout(stalled);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve((name) => request.getResponseHeader(name));
      else reject(problem(request.status, request.responseText));
    };
    request.onerror = () => reject(new Refused(0, 'unreachable', 'The connection broke.'));
    request.onabort = () => reject(new DOMException('Stopped', 'AbortError'));
    if (signal.aborted) return reject(new DOMException('Stopped', 'AbortError'));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(body);
  });
}
