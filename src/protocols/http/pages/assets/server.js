// Requests to the file API, and paths. What is shown of them is left to others.
//
// A path is held as it stands in links: percent-encoded, so that names that are not UTF-8 stay what they are.

export const API = '/api/files/v1';
export const TREE = `${API}/tree`;

export class Refused extends Error {
  constructor(status, word, detail) {
    super(detail);
    this.status = status;
    this.word = word;
  }
}

export function problem(status, text) {
  let found = {};
  try {
    found = JSON.parse(text);
  } catch {
    // Something on the way answered; the status says enough.
  }
  const word = (found.type || '').split(':').pop();
  return new Refused(status, word, sentence(found.detail || `The server answered ${status || 'nothing that is understood'}.`));
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

export async function ask(method, url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { method, credentials: 'same-origin', cache: 'no-store', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, 'unreachable', 'The server cannot be reached. Look at your connection and try again.');
  }
  if (answer.ok) return answer;
  throw problem(answer.status, await answer.text());
}

export function encodeName(name) {
  const well = name.toWellFormed ? name.toWellFormed() : name;
  return encodeURIComponent(well).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A path as people type it, as it stands in links; without `/` at its end. */
export function encodePath(typed) {
  return typed.split('/').filter(Boolean).map((part) => `/${encodeName(part)}`).join('');
}

/** For people. What is not UTF-8 is shown as it stands in links. */
export function shown(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

export const nameOf = (path) => path.slice(path.lastIndexOf('/') + 1);
export const folderOf = (path) => path.slice(0, path.lastIndexOf('/'));

/** The bytes of a path as BASE64, as the header of an upload has them. */
export function bytesOf(path) {
  const bytes = path.replace(/%([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return btoa(bytes);
}

/** Lists the folders in a folder, by name; of a very large one those among its first entries. */
export async function foldersIn(path) {
  const found = [];
  let next = `${TREE}${path}/?limit=10000`;
  for (let pages = 0; next && pages < 3; pages += 1) {
    const page = await (await ask('GET', next)).json();
    for (const entry of page.entries) {
      if (entry.type === 'folder') found.push(entry.href.slice(TREE.length).replace(/\/$/, ''));
    }
    next = page.next;
  }
  return found;
}

/** What is known of a path: `{ bytes, seconds }`, the latter since its last change; null: nothing is there. */
export async function look(path) {
  try {
    const answer = await ask('GET', `${TREE}${path}?stat`);
    const { size: bytes, modified } = await answer.json();
    return { bytes, seconds: (Date.parse(answer.headers.get('Date')) - Date.parse(modified)) / 1000 };
  } catch (error) {
    // Who may not look may write all the same; then the upload itself says that something is there.
    if (error.status === 404 || error.status === 403) return null;
    throw error;
  }
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit + 1 < units.length) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 100 ? value.toFixed(1) : Math.floor(value)} ${units[unit]}`;
}
