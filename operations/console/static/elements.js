// The page's elements: made with text, never with markup, and changed only where they differ.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Set text only where it differs, so that a screen reader's place and a selection stay. */
export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function setAttribute(element, name, value) {
  if (value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/**
 * Keep one child for each item: made once, updated in place, moved only when the order changed.
 * `create(item)` gives the element, `update(element, item)` fills it.
 */
export function keep(parent, items, { key, create, update }) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = known.get(name);
    known.delete(name);
    if (!child) {
      child = create(item);
      child.dataset.key = name;
    }
    update(child, item);
    if (child === before) before = before.nextElementSibling;
    else parent.insertBefore(child, before);
  }
  for (const child of known.values()) child.remove();
}

let lastSaid = 0;
let waiting = null;

/** Tell a screen reader, at most once in four seconds; of what comes faster the last is told. */
export function say(sentence) {
  clearTimeout(waiting);
  const tell = () => {
    lastSaid = Date.now();
    byId("said").textContent = sentence;
  };
  const pause = lastSaid + 4000 - Date.now();
  if (pause <= 0) tell();
  else waiting = setTimeout(tell, pause);
}

/**
 * Run what a button asks for, once at a time, and show what went wrong beside it.
 * `isShown` says whether that place still shows what was asked about: a dialog may have been opened for another since.
 */
export async function whileBusy(button, problem, work, isShown = () => true) {
  problem.textContent = "";
  button.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (isShown()) problem.textContent = error.message;
    else say(error.message);
    return undefined;
  } finally {
    button.disabled = false;
  }
}
