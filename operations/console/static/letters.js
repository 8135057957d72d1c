// Dead letters: the list, one with its events, row and traceback, retry and skip.

import { get, post } from "./api.js";
import { byId, keep, make, say, setAttribute, setText, whileBusy } from "./elements.js";
import { explainRow } from "./explain.js";
import { count, json, moment, plural, sentence } from "./format.js";

const EVERY_MS = 4000;
let letters = [];
let known = -1;
let last = 0;
let open = null;

/** Called with every overview: asks for the list when their number changes, and now and then while there are some. */
export async function showLetters(number) {
  const due = number !== known || (letters.length > 0 && Date.now() - last > EVERY_MS);
  if (!due) return;
  known = number;
  await load();
}

async function load() {
  last = Date.now();
  try {
    letters = (await get("/dead-letters")).dead_letters;
  } catch {
    known = -1;
    return;
  }
  byId("letters-empty").hidden = letters.length > 0;
  byId("letters-scroll").hidden = letters.length === 0;
  keep(document.querySelector("#letters-table tbody"), letters, { key: (one) => one.id, create, update });
}

function create(one) {
  const look = make("button", { type: "button", "aria-label": `Look at ${one.projection}, ${one.key}` }, "Look");
  look.addEventListener("click", () => openLetter(one.id));
  return make(
    "tr", {}, make("th", { scope: "row" }, one.projection, make("span", { class: "version" }, `@${one.version}`)),
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

async function openLetter(id) {
  open = id;
  byId("letter-error").textContent = "";
  byId("why").value = "";
  byId("why").removeAttribute("aria-invalid");
  setText(byId("letter-title"), "Dead letter");
  setText(byId("letter-line"), "Loading …");
  byId("letter-body").hidden = true;
  byId("letter").showModal();
  byId("letter-title").focus();
  try {
    fill(await get(`/dead-letters/${id}`));
  } catch (error) {
    setText(byId("letter-line"), "");
    byId("letter-error").textContent = error.message;
  }
}

let shown = null;

function fill({ dead_letter: one, events, row, traceback }) {
  shown = one;
  byId("letter-explain").hidden = one.key === "*";
  setText(byId("letter-title"), `${one.projection}@${one.version}, ${one.tenant}`);
  setText(byId("letter-line"), `Row ${one.key} · build ${one.build} · ${one.state} after ${plural(one.attempts, "attempt")} · since ${moment(one.since)}`);
  setText(byId("letter-trace"), [one.error, ...traceback].join("\n"));
  setText(byId("letter-events-title"), one.waiting > events.length ? `Events that wait, the first ${events.length} of ${count(one.waiting)}` : "Events that wait");
  setText(byId("letter-row"), row === null ? "There is no such row yet." : json(row));
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
  const id = open;
  const asked = await whileBusy(button, byId("letter-error"), () => post(`/dead-letters/${id}/${path}`, data));
  if (!asked) return;
  byId("letter").close();
  say(done);
  dispatchEvent(new CustomEvent("asked"));
  known = -1;
}

export function begin() {
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
}
