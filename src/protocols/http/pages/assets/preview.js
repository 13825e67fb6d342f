// A look at a file without keeping it: pictures, text, PDF. Nothing of it runs: pictures are pictures, text is text, and
// a PDF, by the type that is given to it here, can be nothing but a PDF. It goes to the browser's own viewer, which is
// shut off from pages; in a frame with `sandbox` browsers show none. The frame has the policy of this page.

import { element, named } from './ask.js';
import { TREE, ask, nameOf, shown } from './server.js';

const TEXT_BYTES = 256 * 1024;
const WHOLE_BYTES_MAX = 64 * 1024 * 1024;

const PICTURES = { png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp', avif: 'image/avif', bmp: 'image/bmp', ico: 'image/x-icon', svg: 'image/svg+xml' };
const TEXTS = 'txt md log csv tsv json xml html htm css js mjs ts yml yaml toml ini conf cfg sh bash py rs c h cpp hpp java go rb pl php sql tex diff patch eml srt vtt asc sha256 md5'.split(' ');

function kindOf(item) {
  const name = shown(nameOf(item.path)).toLowerCase();
  const ending = name.slice(name.lastIndexOf('.') + 1);
  if (PICTURES[ending] && item.bytes <= WHOLE_BYTES_MAX) return PICTURES[ending];
  if (ending === 'pdf' && navigator.pdfViewerEnabled && item.bytes <= WHOLE_BYTES_MAX) return 'application/pdf';
  return TEXTS.includes(ending) || name === 'readme' || name === 'license' ? 'text' : null;
}

export const canShow = (item) => item.kind === 'file' && kindOf(item) !== null;

/** Shows `items[at]`; the others can be gone to. */
export function show(items, at, download) {
  const title = element('h2', { id: 'shown', tabindex: '-1' });
  const where = element('div', { 'aria-live': 'polite' });
  const dialog = element('dialog', { class: 'show', 'aria-labelledby': 'shown' });
  const button = (text, act) => element('button', { type: 'button', onclick: act }, text);
  const steps = items.length > 1 ? [button('Previous', () => go(-1)), button('Next', () => go(1))] : [];
  const acts = element('div', { class: 'acts' }, ...steps, button('Download', () => download([items[at]])), button('Close', () => dialog.close()));
  dialog.append(element('header', {}, title, acts), where);
  let url = null;
  let reading = null;
  const forget = () => {
    reading?.abort();
    if (url) URL.revokeObjectURL(url);
    url = null;
  };
  const go = async (step) => {
    at = (at + step + items.length) % items.length;
    const item = items[at];
    forget();
    title.replaceChildren(named(shown(nameOf(item.path))));
    where.replaceChildren(element('p', { class: 'note' }, 'One moment.'));
    reading = new AbortController();
    const { signal } = reading;
    try {
      const content = await read(item, signal, (made) => (url = made));
      if (!signal.aborted) where.replaceChildren(...content);
    } catch (error) {
      if (!signal.aborted) where.replaceChildren(element('p', { class: 'said' }, error.message));
    }
  };
  dialog.addEventListener('keydown', (event) => {
    if (items.length < 2 || !['ArrowLeft', 'ArrowRight'].includes(event.key)) return;
    event.preventDefault();
    go(event.key === 'ArrowLeft' ? -1 : 1);
  });
  dialog.addEventListener('close', () => {
    forget();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  title.focus();
  go(0);
}

async function read(item, signal, keep) {
  const kind = kindOf(item);
  if (kind === 'text') {
    if (item.bytes === 0) return [element('p', { class: 'note' }, 'The file is empty.')];
    const answer = await ask('GET', TREE + item.path, { signal, headers: { Range: `bytes=0-${TEXT_BYTES - 1}` } });
    const text = new TextDecoder().decode(await answer.arrayBuffer());
    const more = item.bytes > TEXT_BYTES ? [element('p', { class: 'note' }, 'This is the beginning; download the file to see the rest.')] : [];
    return [element('pre', { tabindex: '0', role: 'region', 'aria-labelledby': 'shown' }, text), ...more];
  }
  const answer = await ask('GET', TREE + item.path, { signal });
  const url = URL.createObjectURL(new Blob([await answer.arrayBuffer()], { type: kind }));
  keep(url);
  const name = shown(nameOf(item.path));
  if (kind === 'application/pdf') return [element('iframe', { src: url, title: name })];
  const picture = element('img', { alt: name });
  const loaded = new Promise((resolve, reject) => {
    picture.onload = resolve;
    picture.onerror = () => reject(new Error('The file is no picture, whatever its name says.'));
  });
  picture.src = url;
  await loaded;
  return [picture];
}
