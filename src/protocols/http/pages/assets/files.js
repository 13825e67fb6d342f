// What is done with files that are there: rename, move, copy, delete, new folder, download.

import { askFolder, askName, element, named, question, say, visible } from './ask.js';
import { API, TREE, ask, encodeName, encodePath, folderOf, nameOf, problem, shown } from './server.js';

const label = (path) => visible(shown(nameOf(path)));
const some = (items) => (items.length === 1 ? `“${label(items[0].path)}”` : `${items.length} entries`);

function isSafe(encoded) {
  return encoded.split('/').every((part) => part !== '.' && part !== '..');
}

/** The name in the words of who asked, where the server's own do not say it. */
function worded(error, name) {
  if (error.word === 'exists') return new Error(`Something has the name “${visible(name)}” already.`);
  if (error.word === 'denied') return new Error('You may not do this here.');
  return error;
}

async function relocate(way, from, to, overwrite = false) {
  try {
    await ask('POST', `${TREE}${from}?${way}=${to}${overwrite ? '&overwrite' : ''}`);
  } catch (error) {
    throw worded(error, shown(nameOf(to)));
  }
}

export async function rename(item) {
  const old = shown(nameOf(item.path));
  return askName({
    title: 'Rename',
    label: 'New name',
    value: old,
    isFile: item.kind !== 'folder',
    button: 'Rename',
    done: async (name) => {
      const to = `${folderOf(item.path)}/${encodeName(name)}`;
      if (name === old) return null;
      await relocate('move-to', item.path, to);
      say(`Renamed to “${visible(name)}”.`);
      return to;
    },
  });
}

export async function makeFolder(folder) {
  return askName({
    title: 'New folder',
    label: 'Name',
    button: 'Make it',
    done: async (name) => {
      const path = `${folder}/${encodeName(name)}`;
      try {
        await ask('POST', `${TREE}${path}?make-folder`);
      } catch (error) {
        throw worded(error, name);
      }
      say(`The folder “${visible(name)}” was made.`);
      return path;
    },
  });
}

/** Moves or copies; `way` is `move-to` or `copy-to`. Whether anything changed. */
export async function carry(way, items, folder) {
  const [verb, past] = way === 'move-to' ? ['Move', 'Moved'] : ['Copy', 'Copied'];
  let left = [...items];
  await askFolder({
    title: `${verb} ${some(items)}`,
    button: verb,
    start: folder,
    encode: encodePath,
    done: async (to) => {
      if (!isSafe(to)) throw new Error('A path cannot hold “.” or “..”.');
      if (to === folder && way === 'move-to') throw new Error('This is where it is already. Choose another folder.');
      for (const item of items) {
        if (to === item.path || to.startsWith(`${item.path}/`)) throw new Error('A folder cannot go into itself.');
      }
      while (left.length) {
        const [item] = left;
        try {
          await relocate(way, item.path, `${to}/${to === folder ? copyName(item) : nameOf(item.path)}`);
        } catch (error) {
          const before = items.length - left.length;
          throw new Error(before ? `${error.message} ${before} of ${items.length} were done before.` : error.message);
        }
        left = left.slice(1);
      }
      say(`${past} ${some(items)} to ${visible(shown(to)) || 'the top folder'}.`);
      return true;
    },
  });
  return left.length < items.length;
}

/** Beside what it was copied from it needs another name. */
function copyName(item) {
  const name = nameOf(item.path);
  const dot = item.kind === 'folder' ? -1 : name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)}%20%28copy%29${name.slice(dot)}` : `${name}%20%28copy%29`;
}

/** Whether anything changed. */
export async function remove(items) {
  const most = 12;
  const rows = items.slice(0, most).map((item) => element('li', {}, named(shown(nameOf(item.path))), item.kind === 'folder' ? ' and all that is in it' : ''));
  if (items.length > most) rows.push(element('li', {}, `and ${items.length - most} more`));
  let left = [...items];
  await question({
    title: items.length === 1 ? `Delete ${items[0].kind === 'folder' ? 'this folder' : 'this file'}?` : `Delete these ${items.length}?`,
    fields: [element('ul', { class: 'names' }, ...rows), element('p', { class: 'note' }, 'It cannot be brought back from here.')],
    button: items.length === 1 ? 'Delete' : `Delete ${items.length}`,
    grave: true,
    done: async () => {
      const all = items.length;
      while (left.length) {
        const item = left[0];
        try {
          await ask('DELETE', `${TREE}${item.path}${item.kind === 'folder' ? '?recursive' : ''}`);
        } catch (error) {
          if (error.status !== 404) {
            const before = left.length < all ? ` ${all - left.length} of ${all} were deleted before.` : '';
            throw new Error(`“${label(item.path)}”: ${worded(error, '').message}${before}`);
          }
        }
        left = left.slice(1);
      }
      say(`Deleted ${some(items)}.`);
      return true;
    },
  });
  return left.length < items.length;
}

/** One file as it is; more, or a folder, as one archive. */
export function download(items) {
  if (items.length === 1 && items[0].kind !== 'folder') {
    const link = element('a', { href: TREE + items[0].path, download: '' });
    document.body.append(link);
    link.click();
    link.remove();
    return;
  }
  const fields = items.map((item) => element('input', { type: 'hidden', name: 'path', value: item.path }));
  // A refusal comes into the frame, where it is read, and not in the place of this page.
  const frame = element('iframe', { name: 'archive', title: 'Archive', hidden: true });
  const form = element('form', { method: 'post', action: `${API}/archive`, target: 'archive', hidden: true }, ...fields);
  document.querySelector('iframe[name=archive]')?.remove();
  document.body.append(frame, form);
  say('The archive is on its way.');
  frame.addEventListener('load', () => {
    const text = frame.contentDocument?.body?.textContent;
    if (text) say(problem(0, text).message);
  });
  form.submit();
  form.remove();
}
