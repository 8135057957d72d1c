// What is asked for on demand: doctor's findings and the audit.

import { get } from "./api.js";
import { byId, keep, make, say, setAttribute, setText } from "./elements.js";
import { moment, person, sentence, time } from "./format.js";
import { notice } from "./live.js";

const OUTCOMES = { done: "good", refused: "warn", failed: "bad", asked: "busy" };

async function examine() {
  const button = byId("examine");
  button.disabled = true;
  setText(byId("doctor-when"), "Examining …");
  try {
    const { healthy, checks } = await get("/doctor");
    setText(byId("doctor-when"), `${healthy ? "Everything is well" : "Something is wrong"}, at ${time(new Date())}`);
    say(healthy ? "Doctor: everything is well" : "Doctor: something is wrong");
    keep(byId("checks"), checks, {
      key: (one) => one.name,
      create: (one) => make("li", {}, make("span", { class: "state" }), make("b", {}, sentence(one.name)), make("span", { class: "detail" })),
      update(item, one) {
        setText(item.children[0], one.ok ? "Well" : "Fault");
        setAttribute(item.children[0], "data-tone", one.ok ? "good" : "bad");
        setText(item.children[2], one.detail);
      },
    });
  } catch (error) {
    setText(byId("doctor-when"), error.message);
  } finally {
    button.disabled = false;
  }
}

/** Two entries a call: shown as one line with its outcome. */
function calls(entries) {
  const known = new Map();
  for (const entry of [...entries].reverse()) {
    const before = known.get(entry.call_id);
    known.set(entry.call_id, before ? { ...before, phase: entry.phase, detail: entry.detail } : entry);
  }
  return [...known.values()].reverse();
}

async function showAudit() {
  let shown;
  try {
    shown = calls((await get("/audit?limit=100")).entries);
  } catch (error) {
    notice(error.message);
    return;
  }
  byId("audit-empty").hidden = shown.length > 0;
  keep(document.querySelector("#audit-table tbody"), shown, {
    key: (one) => one.call_id,
    create(one) {
      const target = Object.entries(one.target).filter(([, value]) => value !== null && value !== false).map(([name, value]) => `${name} ${value}`).join(", ");
      return make(
        "tr", {}, make("td", { class: "nowrap" }, moment(one.at)),
        make("td", { class: "long", title: one.actor }, person(one.actor)), make("th", { scope: "row" }, sentence(one.action)),
        make("td", { class: "long", title: target }, target), make("td", {}, make("span", { class: "state" })),
      );
    },
    update(row, one) {
      setText(row.children[4].firstChild, one.phase === "asked" ? "No outcome" : sentence(one.phase));
      setAttribute(row.children[4].firstChild, "data-tone", OUTCOMES[one.phase]);
      setAttribute(row.children[4].firstChild, "title", one.detail);
    },
  });
}

export function begin() {
  byId("examine").addEventListener("click", examine);
  byId("audit-again").addEventListener("click", showAudit);
  addEventListener("asked", showAudit);
}

export function look() {
  examine();
  showAudit();
}
