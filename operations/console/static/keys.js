// API keys: who has which, a new one shown once, and the end of one.

import { get, post } from "./api.js";
import { byId, keep, make, say, setAttribute, setText, whileBusy } from "./elements.js";
import { moment, plural, sentence } from "./format.js";
import { loadStoreNames } from "./names.js";

const DAY_MS = 86_400_000;
let keys = [];
let ending = null;

async function load() {
  try {
    ({ keys } = await get("/keys"));
  } catch {
    return; // What is wrong with the server is told by the stream.
  }
  show();
}

function standing(one) {
  if (one.revoked_at) return ["Ended", ""];
  if (one.expires_at && new Date(one.expires_at) < Date.now()) return ["Expired", "warn"];
  return ["In force", "good"];
}

function show() {
  const wanted = byId("keys-filter").value.trim().toLowerCase();
  const shown = keys.filter((one) => {
    const words = [one.name, one.tenant ?? "", one.role].join(" ").toLowerCase();
    return words.includes(wanted) && (byId("keys-ended").checked || standing(one)[0] === "In force");
  });
  const force = keys.filter((one) => standing(one)[0] === "In force").length;
  setText(byId("keys-count"), `${plural(force, "key")} in force.`);
  byId("keys-empty").hidden = shown.length > 0;
  keep(document.querySelector("#keys-table tbody"), shown, { key: (one) => one.id, create, update });
}

function create(one) {
  const end = make("button", { type: "button", "aria-label": `End key ${one.name}` }, "End");
  end.addEventListener("click", () => openEnd(one));
  return make(
    "tr", {}, make("th", { scope: "row", class: "long", title: one.name }, one.name),
    make("td", { class: one.tenant ? "long" : "zero", title: one.tenant }, one.tenant ?? "the platform"), make("td", {}, sentence(one.role)),
    make("td", { class: "nowrap" }, moment(one.created_at)), make("td", { class: one.expires_at ? "nowrap" : "zero" }, one.expires_at ? moment(one.expires_at) : "never"),
    make("td", {}, make("span", { class: "state" })), make("td", { class: "act" }, end),
  );
}

function update(row, one) {
  const [word, tone] = standing(one);
  setText(row.children[5].firstChild, word);
  setAttribute(row.children[5].firstChild, "data-tone", tone);
  row.children[6].firstChild.hidden = word === "Ended";
}

function openEnd(one) {
  ending = one;
  byId("end-key-error").textContent = "";
  setText(byId("end-key-line"), `${one.name} · ${sentence(one.role)} · ${one.tenant ?? "the platform"}`);
  byId("end-key").showModal();
  byId("end-key-title").focus();
}

async function end() {
  const one = ending;
  const isOpen = () => ending === one;
  const told = await whileBusy(byId("do-end-key"), byId("end-key-error"), () => post(`/keys/${one.id}/revocation`), isOpen);
  if (!told) return;
  if (isOpen()) byId("end-key").close();
  changed(`Key ${one.name} is ended`);
}

function openNew() {
  byId("new-key-form").reset();
  byId("new-key-error").textContent = "";
  byId("made-key").hidden = true;
  byId("do-new-key").disabled = false;
  for (const id of ["store", "name", "days"]) byId(`new-key-${id}`).removeAttribute("aria-invalid");
  chooseRole();
  byId("new-key").showModal();
  byId("new-key-title").focus();
  loadStoreNames();
}

function chooseRole() {
  const isOperator = byId("new-key-role").value === "operator";
  byId("new-key-store").disabled = isOperator;
  byId("new-key-store").placeholder = isOperator ? "None: it is the platform's" : "";
}

function wrong(role, store, name, days) {
  if (role !== "operator" && !store) return ["store", "Say which store the key is for."];
  if (!name) return ["name", "Give the key a name: who or what uses it."];
  if (days && !/^[1-9][0-9]{0,3}$/.test(days)) return ["days", "Days are a whole number from 1 to 9,999, or empty."];
  return null;
}

async function makeKey(event) {
  event.preventDefault();
  const [role, store, name, days] = ["role", "store", "name", "days"].map((id) => byId(`new-key-${id}`).value.trim());
  const fault = wrong(role, store, name, days);
  for (const id of ["store", "name", "days"]) setAttribute(byId(`new-key-${id}`), "aria-invalid", fault?.[0] === id ? "true" : null);
  if (fault) {
    byId("new-key-error").textContent = fault[1];
    byId(`new-key-${fault[0]}`).focus();
    return;
  }
  const wanted = { role, name, tenant: role === "operator" ? null : store, expires_at: days ? new Date(Date.now() + days * DAY_MS).toISOString() : null };
  const made = await whileBusy(byId("do-new-key"), byId("new-key-error"), () => post("/keys", wanted));
  if (!made) return;
  byId("do-new-key").disabled = true;
  byId("made-key").hidden = false;
  byId("made-key-text").value = made.key;
  byId("made-key-text").focus();
  byId("made-key-text").select();
  changed("The key is made: copy it now");
}

function changed(sentence) {
  say(sentence);
  dispatchEvent(new CustomEvent("asked"));
  load();
}

export function begin() {
  byId("keys-filter").addEventListener("input", show);
  byId("keys-ended").addEventListener("change", show);
  byId("keys-new").addEventListener("click", openNew);
  byId("new-key-role").addEventListener("change", chooseRole);
  byId("new-key-form").addEventListener("submit", makeKey);
  // A key that was shown does not stay in the page.
  byId("new-key").addEventListener("close", () => (byId("made-key-text").value = ""));
  byId("do-end-key").addEventListener("click", end);
  byId("end-key").addEventListener("close", () => (ending = null));
}

export const look = load;
