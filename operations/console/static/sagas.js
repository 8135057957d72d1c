// Sagas of orders that are paid first: those that need a person, each with its journal, retry and resolve.

import { get, post, segment } from "./api.js";
import { byId, keep, make, say, setAttribute, setText, whileBusy } from "./elements.js";
import { count, moment, plural, sentence } from "./format.js";

const EVERY_MS = 10_000;
const TONES = { running: "busy", needs_attention: "bad", completed: "good", compensated: "warn", resolved: "" };
const EMPTY = { needs_attention: "None needs a person.", running: "None is under way.", "": "No order has been paid first yet." };
let sagas = [];
let open = null;
let asked = 0;

async function load() {
  const state = byId("sagas-state").value;
  const number = ++asked;
  let found;
  try {
    found = (await get(`/sagas${state ? `?state=${segment(state)}` : ""}`)).sagas;
  } catch {
    return; // The next look asks again; what is wrong with the server is told by the stream.
  }
  if (number !== asked) return; // Another state was chosen meanwhile.
  if (state === "needs_attention" && found.length > sagas.length) say(`${plural(found.length, "saga needs", "sagas need")} a person`);
  sagas = found;
  byId("sagas-empty").hidden = sagas.length > 0;
  byId("sagas-scroll").hidden = sagas.length === 0;
  setText(byId("sagas-empty"), EMPTY[state] ?? "There is none.");
  keep(document.querySelector("#sagas-table tbody"), sagas, { key: (one) => one.order_id, create, update });
}

function create(one) {
  const look = make("button", { type: "button", "aria-label": `Look at order ${one.number} of ${one.tenant}` }, "Look");
  look.addEventListener("click", () => openSaga(one.order_id));
  return make(
    "tr", {}, make("th", { scope: "row" }, one.number), make("td", { class: "long", title: one.tenant }, one.tenant),
    make("td", {}, make("span", { class: "state" })), make("td", { class: "nowrap" }), make("td", { class: "num" }),
    make("td", { class: "nowrap" }, moment(one.started_at)), make("td", { class: "long" }), make("td", { class: "act" }, look),
  );
}

function update(row, one) {
  const [, , state, step, attempts, , failure] = row.children;
  setText(state.firstChild, sentence(one.state));
  setAttribute(state.firstChild, "data-tone", TONES[one.state]);
  setText(step, sentence(one.step));
  setText(attempts, count(one.attempts));
  setText(failure, one.failure ?? "–");
  setAttribute(failure, "title", one.failure);
}

async function openSaga(id) {
  const mine = (open = { id });
  const one = sagas.find((saga) => saga.order_id === id);
  byId("saga-error").textContent = "";
  byId("saga-note").value = "";
  byId("saga-note").removeAttribute("aria-invalid");
  setText(byId("saga-title"), `Order ${one.number}, ${one.tenant}`);
  setText(byId("saga-line"), `${sentence(one.state)} · ${sentence(one.step)} · since ${moment(one.started_at)} · ${id}`);
  setText(byId("saga-why"), one.failure ?? "");
  byId("saga-failure").hidden = !one.failure;
  byId("saga-help").hidden = one.state !== "needs_attention";
  byId("saga-steps").replaceChildren();
  byId("saga-operations").replaceChildren();
  byId("saga").showModal();
  byId("saga-title").focus();
  try {
    const found = await get(`/sagas/${id}`);
    if (open === mine) fill(found);
  } catch (error) {
    if (open === mine) byId("saga-error").textContent = error.message;
  }
}

function fill({ steps, operations }) {
  byId("saga-steps").replaceChildren(...steps.map((one) => make(
    "li", {}, make("b", {}, sentence(one.step)), make("span", { class: "muted" }, ` ${moment(one.taken_at)}`), one.note ? `: ${one.note}` : "",
  )));
  byId("saga-operations").replaceChildren(...operations.map((one) => make(
    "li", {}, make("b", {}, sentence(one.kind)), ` ${count(one.amount_minor)} minor units: ${one.status}`,
    make("span", { class: "muted" }, `, ${plural(one.attempts, "attempt")}${one.reason ? `, ${one.reason}` : ""}`),
  )));
}

async function help(button, path, done) {
  const why = byId("saga-note").value.trim();
  setAttribute(byId("saga-note"), "aria-invalid", why ? null : "true");
  if (!why) {
    byId("saga-error").textContent = "Say why, or what was settled. It is kept in the journal with your name.";
    byId("saga-note").focus();
    return;
  }
  const { id } = open;
  const isOpen = () => open?.id === id;
  const told = await whileBusy(button, byId("saga-error"), () => post(`/sagas/${id}/${path}`, { why }), isOpen);
  if (!told) return;
  if (isOpen()) byId("saga").close();
  say(done);
  dispatchEvent(new CustomEvent("asked"));
  load();
}

export function begin() {
  byId("sagas-state").addEventListener("change", load);
  byId("saga").addEventListener("close", () => (open = null));
  byId("saga-form").addEventListener("submit", (event) => {
    event.preventDefault();
    help(byId("saga-retry"), "retry", "The saga is tried again");
  });
  byId("saga-resolve").addEventListener("click", (event) => help(event.target, "resolution", "The saga is resolved"));
  setInterval(() => byId("desk").hidden || document.hidden || load(), EVERY_MS);
}

export const look = load;
