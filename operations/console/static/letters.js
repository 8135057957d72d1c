// Dead letters of projections and of reactions: the lists, one with its events, retry and skip.

import { get, post } from "./api.js";
import { byId, keep, make, say, setAttribute, setText, whileBusy } from "./elements.js";
import { explainRow } from "./explain.js";
import { count, json, moment, plural, sentence } from "./format.js";

const EVERY_MS = 4000;
const REACTIONS_EVERY_MS = 10_000;

/** What differs between the two. `table` begins the ids of what shows a list. */
const PROJECTIONS = {
  path: "/dead-letters",
  table: "letters",
  name: (one) => one.projection,
  version: (one) => `@${one.version}`,
  where: (one) => `Row ${one.key} · build ${one.build}`,
  retry: "Fold its events again, in order. Right once the cause is mended.",
  skip: "Leaves it out of this row for good, and folds the next ones.",
  letters: [],
};
const REACTIONS = {
  path: "/reactions/dead-letters",
  table: "reaction-letters",
  name: (one) => one.reaction,
  version: () => "",
  where: (one) => `Key ${one.key}`,
  retry: "React to its events again, in order. Right once the cause is mended.",
  skip: "What should follow from it never does; the next ones under its key are reacted to.",
  letters: [],
};
let known = -1;
let last = 0;
let open = null;
let shown = null;

/** Called with every overview: asks for the list when their number changes, and now and then while there are some. */
export async function showLetters(number) {
  const due = number !== known || (PROJECTIONS.letters.length > 0 && Date.now() - last > EVERY_MS);
  if (!due) return;
  known = number;
  last = Date.now();
  if (!(await load(PROJECTIONS))) known = -1;
}

/** Whether it could be. */
async function load(kind) {
  try {
    kind.letters = (await get(kind.path)).dead_letters;
  } catch {
    return false;
  }
  byId(`${kind.table}-empty`).hidden = kind.letters.length > 0;
  byId(`${kind.table}-scroll`).hidden = kind.letters.length === 0;
  const create = (one) => createRow(kind, one);
  keep(document.querySelector(`#${kind.table}-table tbody`), kind.letters, { key: (one) => one.id, create, update });
  return true;
}

function createRow(kind, one) {
  const look = make("button", { type: "button", "aria-label": `Look at ${kind.name(one)}, ${one.key}` }, "Look");
  look.addEventListener("click", () => openLetter(kind, one.id));
  return make(
    "tr", {}, make("th", { scope: "row" }, kind.name(one), make("span", { class: "version" }, kind.version(one))),
    make("td", { class: "long", title: one.tenant }, one.tenant), make("td", { class: "long", title: one.key }, make("code", {}, one.key)),
    make("td", {}, make("span", { class: "state" })), make("td", { class: "num" }), make("td", { class: "nowrap" }, moment(one.since)),
    make("td", { class: "long", title: one.error }, one.error), make("td", { class: "act" }, look),
  );
}

function update(row, one) {
  setText(row.children[3].firstChild, sentence(one.state));
  setAttribute(row.children[3].firstChild, "data-tone", one.state === "dead" ? "bad" : "busy");
  setText(row.children[4], count(one.waiting));
  setText(row.children[6], one.error);
}

async function openLetter(kind, id) {
  const mine = (open = { kind, id });
  byId("letter-error").textContent = "";
  byId("why").value = "";
  byId("why").removeAttribute("aria-invalid");
  setText(byId("letter-title"), "Dead letter");
  setText(byId("letter-line"), "Loading …");
  setText(byId("retry-line"), kind.retry);
  setText(byId("skip-line"), kind.skip);
  byId("letter-body").hidden = true;
  byId("do-retry").disabled = byId("do-skip").disabled = true;
  byId("letter").showModal();
  byId("letter-title").focus();
  try {
    const found = await get(`${kind.path}/${id}`);
    if (open === mine) fill(kind, found);
  } catch (error) {
    if (open !== mine) return;
    setText(byId("letter-line"), "");
    byId("letter-error").textContent = error.message;
  }
}

function fill(kind, { dead_letter: one, events, row, traceback = [] }) {
  shown = one;
  byId("letter-side").hidden = row === undefined;
  byId("letter-explain").hidden = one.key === "*";
  setText(byId("letter-title"), `${kind.name(one)}${kind.version(one)}, ${one.tenant}`);
  setText(byId("letter-line"), `${kind.where(one)} · ${one.state} after ${plural(one.attempts, "attempt")} · since ${moment(one.since)}`);
  setText(byId("letter-trace"), [one.error, ...traceback].join("\n"));
  setText(byId("letter-events-title"), one.waiting > events.length ? `Events that wait, the first ${events.length} of ${count(one.waiting)}` : "Events that wait");
  setText(byId("letter-row"), row == null ? "There is no such row yet." : json(row));
  byId("letter-events").replaceChildren(...events.map((event, at) => {
    const line = `${event.type} v${event.schema_version}, position ${count(event.position)}, ${moment(event.recorded_at)}`;
    return make("details", { open: at === 0 }, make("summary", {}, line), make("pre", { tabindex: "0", "aria-label": "Payload" }, json(event.payload)));
  }));
  const dead = one.state === "dead";
  byId("do-retry").disabled = byId("do-skip").disabled = !dead;
  if (!dead) byId("letter-error").textContent = "It is still being tried by itself. Retry and skip come once it is dead.";
  byId("letter-body").hidden = false;
}

async function treat(button, path, data, done) {
  const { kind, id } = open;
  const isOpen = () => open?.id === id;
  const asked = await whileBusy(button, byId("letter-error"), () => post(`${kind.path}/${id}/${path}`, data), isOpen);
  if (!asked) return;
  if (isOpen()) byId("letter").close();
  say(done);
  dispatchEvent(new CustomEvent("asked"));
  known = -1;
  load(kind);
}

export function begin() {
  byId("letter").addEventListener("close", () => (open = null));
  byId("letter-explain").addEventListener("click", () => {
    byId("letter").close();
    explainRow(shown.projection, shown.tenant, shown.key);
  });
  byId("do-retry").addEventListener("click", (event) => treat(event.target, "retry", undefined, "Retry asked for"));
  byId("skip-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const why = byId("why").value.trim();
    setAttribute(byId("why"), "aria-invalid", why ? null : "true");
    if (!why) {
      byId("letter-error").textContent = "Say why the event may be left out. It is kept with your name.";
      byId("why").focus();
      return;
    }
    treat(byId("do-skip"), "skip", { why }, "Skip asked for");
  });
  setInterval(() => byId("desk").hidden || document.hidden || look(), REACTIONS_EVERY_MS);
}

/** Reactions are in no overview: their list is asked for now and then. */
export const look = () => load(REACTIONS);
