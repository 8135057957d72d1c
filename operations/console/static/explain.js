// Why a row is as it is: the events behind it, in order, each with what it changed.

import { get, segment } from "./api.js";
import { byId, keep, make, say, setAttribute, setText, whileBusy } from "./elements.js";
import { count, json, moment, person, plural, sentence } from "./format.js";
import { loadStoreNames } from "./names.js";

const LAST = 50;
let asked = 0;
const TONES = { created: "good", changed: "busy", deleted: "warn", skipped: "warn", waiting: "bad", failed: "bad", unreadable: "bad" };

/** Called with every overview: what there is to choose from. */
export function showProjectionNames(projections) {
  keep(byId("explain-projection"), projections, { key: (one) => one.name, create: (one) => make("option", { value: one.name }, one.name), update() {} });
}

/** From where a row is already named. */
export function explainRow(projection, store, key) {
  byId("explain-projection").value = projection;
  byId("explain-store").value = store;
  byId("explain-key").value = key;
  byId("explain").scrollIntoView();
  explain();
}

function missing() {
  const empty = ["explain-store", "explain-key"].filter((id) => {
    const lacks = !byId(id).value.trim();
    setAttribute(byId(id), "aria-invalid", lacks ? "true" : null);
    return lacks;
  });
  if (empty.length === 0) return false;
  byId("explain-error").textContent = "Say which store and which row.";
  byId(empty[0]).focus();
  return true;
}

async function explain() {
  const number = ++asked;
  byId("explained").hidden = true;
  if (missing()) return;
  const [name, store, key] = ["projection", "store", "key"].map((one) => byId(`explain-${one}`).value.trim());
  const query = new URLSearchParams({ tenant: store, key, last: LAST });
  const isLast = () => number === asked; // Another row may have been asked about from its dead letter.
  const found = await whileBusy(byId("do-explain"), byId("explain-error"), () => get(`/projections/${segment(name)}/explanation?${query}`), isLast);
  if (!found || !isLast()) return;
  show(found);
  byId("explained").hidden = false;
  byId("explained").focus({ preventScroll: true });
  say(byId("explain-line").textContent);
}

function show(found) {
  const { name, version, build, events, changes, row, identical } = found;
  const of = events > changes.length ? `the last ${count(changes.length)} of ${plural(events, "event")}` : plural(events, "event");
  const verdict = identical ? "The row that stands is the one they make." : "The row that stands is NOT the one they make: verify the projection.";
  setText(byId("explain-line"), `${name}@${version}, build ${build}: ${of}. ${verdict}`);
  setAttribute(byId("explain-line"), "class", identical ? "" : "error");
  setText(byId("explain-row"), row === null ? "There is no such row." : json(row));
  byId("explain-changes").replaceChildren(...changes.map((one, at) => change(one, at === changes.length - 1)));
}

function change(one, open) {
  const told = make(
    "summary", {}, make("span", { class: "state", "data-tone": TONES[one.effect] ?? "" }, sentence(one.effect)),
    make("b", {}, one.type), make("span", { class: "muted" }, `position ${count(one.position)}, ${moment(one.at)}${one.actor ? `, ${person(one.actor)}` : ""}`),
  );
  const lines = one.columns.map(({ column, before, after }) => make(
    "div", {}, make("dt", {}, column), make("dd", {}, make("code", {}, text(before)), " → ", make("code", {}, text(after))),
  ));
  const what = one.error ? make("p", { class: "error" }, one.error) : lines.length ? make("dl", { class: "changes" }, ...lines) : make("p", { class: "muted" }, "The row stayed as it was.");
  return make("details", { open }, told, what);
}

const text = (value) => (value === null ? "nothing" : typeof value === "string" ? value : JSON.stringify(value));

export function begin() {
  byId("explain-store").addEventListener("focus", loadStoreNames);
  byId("explain-form").addEventListener("submit", (event) => {
    event.preventDefault();
    explain();
  });
}
