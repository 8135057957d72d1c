// One projection's dialog: verify, rebuild, pause, resume, roll back.

import { post, segment } from "./api.js";
import { byId, say, setText, whileBusy } from "./elements.js";
import { count, sentence } from "./format.js";
import { loadStoreNames } from "./names.js";

let name = null;
let overview = null;
/** One intent, one key: pressed again after a failure, the same request is repeated and not a second one made. */
const intents = new Map();

export function openProjection(chosen, fresh) {
  name = chosen;
  byId("manage-error").textContent = "";
  byId("manage-store").value = "";
  byId("manage-rate").value = "";
  setText(byId("manage-title"), chosen);
  refreshProjection(fresh);
  byId("manage").showModal();
  byId("manage-title").focus();
  loadStoreNames();
}

export function refreshProjection(fresh) {
  overview = fresh;
  if (name === null) return;
  const one = overview.projections.find((projection) => projection.name === name);
  const paused = overview.paused.includes(name);
  const kept = overview.builds.filter((build) => build.name === name && build.mode === "kept");
  setText(byId("manage-line"), `Version ${one.version} · ${sentence(paused ? "paused" : one.state)} · ${count(one.rows)} rows · ${count(one.lag_events)} events behind`);
  setText(byId("pause-title"), paused ? "Resume" : "Pause");
  setText(byId("pause-line"), paused ? "It stands still. Resumed, it goes on from where it stands." : "It is read as it stands and falls behind, in all stores, until it is resumed.");
  setText(byId("do-pause"), paused ? "Resume" : "Pause");
  setText(byId("rollback-line"), kept.length ? `Goes back to build ${kept.map((build) => build.build).join(", ")}, which is kept as current as the live one.` : "No build is kept. A rebuild that keeps the old one makes this possible.");
  byId("do-rollback").disabled = kept.length === 0;
  byId("do-drop").hidden = kept.length === 0;
  const running = overview.requests.some((one) => one.kind === "rebuild" && one.name === name && ["requested", "running"].includes(one.state));
  byId("do-cancel").hidden = !running;
}

function ask(button, path, data, done) {
  const chosen = name;
  const intent = JSON.stringify([chosen, path, data]);
  const key = intents.get(intent) ?? crypto.randomUUID();
  intents.set(intent, key);
  return whileBusy(button, byId("manage-error"), async () => {
    await post(`/projections/${segment(chosen)}/${path}`, data, { key });
    intents.delete(intent);
    say(done);
    if (name === chosen) byId("manage").close();
    dispatchEvent(new CustomEvent("asked"));
  }, () => name === chosen).finally(() => refreshProjection(overview));
}

const store = () => byId("manage-store").value.trim() || null;

export function begin() {
  byId("manage").addEventListener("close", () => (name = null));
  byId("do-verify").addEventListener("click", (event) => ask(event.target, "verifications", { tenant: store() }, `Verifying ${name}`));
  byId("do-rebuild").addEventListener("click", (event) => {
    const rate = byId("manage-rate").value.trim();
    if (rate && !/^[1-9][0-9]{0,6}$/.test(rate)) {
      byId("manage-error").textContent = "Events a second is a whole number from 1 to 1,000,000, or empty.";
      byId("manage-rate").setAttribute("aria-invalid", "true");
      byId("manage-rate").focus();
      return;
    }
    byId("manage-rate").removeAttribute("aria-invalid");
    ask(event.target, "rebuild", { tenant: store(), rate: rate ? Number(rate) : null, keep_old: byId("manage-keep").checked }, `Rebuild of ${name} asked for`);
  });
  byId("do-pause").addEventListener("click", (event) => {
    const paused = overview.paused.includes(name);
    ask(event.target, paused ? "resume" : "pause", undefined, `${paused ? "Resuming" : "Pausing"} ${name}`);
  });
  byId("do-cancel").addEventListener("click", (event) => ask(event.target, "cancellation", { tenant: store() }, `Cancelling the rebuild of ${name}`));
  byId("do-drop").addEventListener("click", (event) => ask(event.target, "kept/removal", { tenant: store() }, `Dropping the kept build of ${name}`));
  byId("do-rollback").addEventListener("click", (event) => ask(event.target, "rollback", { tenant: store() }, `Rolling ${name} back`));
}
