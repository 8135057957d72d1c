// What every overview fills: figures, projections, stores, projectors and work.

import { get } from "./api.js";
import { byId, keep, make, say, setAttribute, setText } from "./elements.js";
import { showProjectionNames } from "./explain.js";
import { count, duration, lateness, moment, person, plural, sentence } from "./format.js";
import { showLetters } from "./letters.js";
import { openProjection, refreshProjection } from "./manage.js";

const HISTORY = 120;
const TONES = { current: "good", following: "good", behind: "warn", degraded: "bad", rebuilding: "busy", returning: "busy", paused: "warn", not_started: "" };
const JOB_TONES = { requested: "busy", running: "busy", done: "good", failed: "bad", lost: "bad", cancelled: "" };
const lags = new Map();
const jobStates = new Map();
let overview = null;
let verifications = [];
let lastVerifications = 0;
let everyStore = null;
let lastStanding = "";

export function showOverview(fresh) {
  overview = fresh;
  showFigures();
  showProjections();
  showStores();
  showProjectors();
  showWork();
  followVerifications();
  showLetters(sum(overview.projections, "dead_letters") + sum(overview.projections, "retrying"));
  refreshProjection(overview);
  showProjectionNames(overview.projections);
  announce();
}

const sum = (items, field) => items.reduce((total, one) => total + one[field], 0);

function figure(name, value, sub, tone = "") {
  const shown = document.querySelector(`[data-figure="${name}"]`);
  setAttribute(shown, "data-tone", tone);
  setText(shown.children[1], value);
  setText(shown.children[2], sub);
}

function showFigures() {
  const { projections, stores, work } = overview;
  const late = projections.filter((one) => one.lag_events > 0);
  const oldest = Math.max(0, ...projections.map((one) => one.lag_seconds));
  const dead = sum(projections, "dead_letters");
  const retrying = sum(projections, "retrying");
  const tone = { late: "warn", "very-late": "bad" }[lateness(oldest)] ?? "";
  figure("lag", count(sum(projections, "lag_events")), late.length ? `in ${plural(late.length, "projection")}` : "everything is shown", tone);
  figure("age", duration(oldest), oldest > 0 ? `${projections.find((one) => one.lag_seconds === oldest).name}` : "nothing waits", tone);
  figure("stores", count(overview.stores_behind), `of ${count(overview.stores_total)}`, overview.stores_behind && stores[0].lag_seconds >= 5 ? "warn" : "");
  figure("letters", count(dead), retrying ? `${count(retrying)} being retried` : dead ? "need a person" : "none", dead ? "bad" : "");
  const held = `${work.owned_shards} of ${work.shards} shards held`;
  figure("workers", count(work.workers), held, work.workers === 0 ? "bad" : work.owned_shards < work.shards ? "warn" : "");
}

function standing(projection) {
  if (overview.paused.includes(projection.name)) return "paused";
  // A projector that works is some milliseconds behind whenever somebody looks: that is no news.
  return projection.state === "behind" && projection.lag_seconds < 2 ? "following" : projection.state;
}

function showProjections() {
  keep(document.querySelector("#projections-table tbody"), overview.projections, {
    key: (one) => `${one.name}@${one.version}`,
    create(one) {
      const manage = make("button", { type: "button", "aria-label": `Manage ${one.name}` }, "Manage");
      manage.addEventListener("click", () => openProjection(one.name, overview));
      return make(
        "tr", {},
        make("th", { scope: "row" }, one.name, make("span", { class: "version" }, `@${one.version}`)),
        make("td", {}, make("span", { class: "state" })),
        make("td", { class: "num" }), make("td", { class: "num" }),
        make("td", { class: "trend" }, make("canvas", { class: "spark", width: "256", height: "48", "aria-hidden": "true" })),
        make("td", { class: "num" }), make("td", { class: "num" }),
        make("td", { class: "nowrap" }), make("td", { class: "act" }, manage),
      );
    },
    update(row, one) {
      const [, state, behind, oldest, trend, letters, rows, build] = row.children;
      const word = standing(one);
      setText(state.firstChild, sentence(word));
      setAttribute(state.firstChild, "data-tone", TONES[word]);
      setText(behind, count(one.lag_events));
      setAttribute(behind, "class", `num ${one.lag_events ? lateness(one.lag_seconds) : "zero"}`);
      setText(oldest, one.lag_events ? duration(one.lag_seconds) : "–");
      setAttribute(oldest, "class", `num ${one.lag_events ? lateness(one.lag_seconds) : "zero"}`);
      drawTrend(trend.firstChild, row.dataset.key, one.lag_events);
      const parked = one.dead_letters + one.retrying;
      setText(letters, count(parked));
      setAttribute(letters, "class", `num ${parked ? "very-late" : "zero"}`);
      setText(rows, count(one.rows));
      setText(build, buildsOf(one.name));
    },
  });
}

function buildsOf(name) {
  const builds = overview.builds.filter((one) => one.name === name);
  const numbers = (mode) => builds.filter((one) => one.mode === mode).map((one) => one.build).join(", ");
  const others = ["building", "returning", "kept"].filter(numbers).map((mode) => `${mode} ${numbers(mode)}`);
  return [numbers("live") || "–", ...others].join(" · ");
}

function drawTrend(canvas, name, value) {
  const history = lags.get(name) ?? [];
  history.push(value);
  if (history.length > HISTORY) history.shift();
  lags.set(name, history);
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const top = Math.max(10, ...history);
  const style = getComputedStyle(canvas);
  context.clearRect(0, 0, width, height);
  context.strokeStyle = style.getPropertyValue("--line");
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(0, height - 2);
  context.lineTo(width, height - 2);
  context.stroke();
  context.strokeStyle = style.getPropertyValue("--accent");
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.beginPath();
  history.forEach((lag, at) => {
    const x = width - (history.length - 1 - at) * (width / (HISTORY - 1));
    const y = height - 3 - (lag / top) * (height - 8);
    if (at === 0) context.moveTo(x, y);
    else context.lineTo(x, y);
  });
  context.stroke();
}

function showStores() {
  const wanted = byId("stores-filter").value.trim().toLowerCase();
  const fresh = new Map(overview.stores.map((one) => [one.tenant, one]));
  const all = everyStore ? everyStore.map((one) => fresh.get(one.tenant) ?? one) : overview.stores;
  const shown = all.filter((one) => one.tenant.includes(wanted));
  const total = overview.stores_total;
  setText(byId("stores-count"), wanted ? `${count(shown.length)} of ${count(total)} match` : shown.length < total ? `the ${count(shown.length)} furthest behind, of ${count(total)}` : plural(total, "store"));
  byId("stores-all").hidden = everyStore === null && overview.stores.length >= total;
  byId("stores-empty").hidden = shown.length > 0;
  keep(document.querySelector("#stores-table tbody"), shown, {
    key: (one) => one.tenant,
    create: (one) => make(
      "tr", {}, make("th", { scope: "row", class: "long", title: one.tenant }, one.tenant),
      make("td", {}), make("td", {}), make("td", {}), make("td", {}), make("td", { class: "num zero" }),
    ),
    update(row, one) {
      const [, behind, oldest, slowest, number, head] = row.children;
      const late = one.projections_behind ? lateness(one.lag_seconds) : "zero";
      setText(behind, count(one.lag_events));
      setAttribute(behind, "class", `num ${late}`);
      setText(oldest, one.projections_behind ? duration(one.lag_seconds) : "–");
      setAttribute(oldest, "class", `num ${late}`);
      setText(slowest, one.slowest ?? "–");
      setAttribute(slowest, "class", one.slowest ? "" : "zero");
      setText(number, count(one.projections_behind));
      setAttribute(number, "class", `num ${one.projections_behind ? "" : "zero"}`);
      setText(head, count(one.head));
    },
  });
}

async function loadStores() {
  const button = byId("stores-all");
  if (everyStore) everyStore = null;
  else everyStore = (await get("/stores")).stores;
  setText(button, everyStore ? "Show fewer" : "Show all");
  showStores();
}

function showProjectors() {
  const { work, free_shards: free } = overview;
  setText(byId("shards-line"), free.length ? `${work.owned_shards} of ${work.shards} shards held; nobody holds ${free.join(", ")}` : `all ${work.shards} shards are held`);
  byId("workers-empty").hidden = overview.workers.length > 0;
  keep(document.querySelector("#workers-table tbody"), overview.workers, {
    key: (one) => one.worker_id,
    create: (one) => make(
      "tr", {}, make("th", { scope: "row" }, make("code", {}, one.worker_id)),
      make("td", {}), make("td", { class: "num" }), make("td", {}, make("div", { class: "shards" })),
    ),
    update(row, one) {
      const [, seen, number, held] = row.children;
      setText(seen, one.seen_seconds_ago < 3 ? "now" : `${duration(one.seen_seconds_ago)} ago`);
      setAttribute(seen, "class", `num ${one.seen_seconds_ago > 10 ? "very-late" : ""}`);
      setText(number, one.shards.length);
      keep(held.firstChild, one.shards, { key: (shard) => shard, create: (shard) => make("span", {}, String(shard)), update() {} });
    },
  });
}

function jobs() {
  const asked = overview.requests.map((one) => ({ ...one, at: one.requested_at, done: one.events, of: one.events_expected }));
  const verified = verifications.map((one) => ({ ...one, kind: "verify", at: one.requested_at, done: one.events_done, of: one.events }));
  return [...asked, ...verified].sort((a, b) => (a.at < b.at ? 1 : -1)).slice(0, 12);
}

function told(job) {
  if (job.error) return job.error;
  if (job.state === "lost") return "Its process has died. Verify again.";
  if (job.kind === "verify" && job.finding) {
    const { identical, rows, tenants, differences } = job.finding;
    if (identical) return `Identical: ${plural(rows, "row")} in ${plural(tenants, "store")}`;
    return `${plural(differences.length, "difference")} or more; the first in ${differences[0].key}, column ${differences[0].column}`;
  }
  const parts = [];
  if (job.kind === "rebuild" && job.to_build) parts.push(`build ${job.from_build ?? "–"} → ${job.to_build}`);
  if (job.state === "running" && job.of) parts.push(`${count(Math.min(job.done, job.of))} of ${count(job.of)} events${remaining(job)}`);
  else if (job.kind === "rebuild" && job.done) parts.push(`${count(job.done)} events${speed(job)}`);
  // Once it is done the build's stores go on to grow in number: only their being switched is still news.
  if (job.kind === "rebuild" && job.tenants) parts.push(job.state === "done" ? "every store cut over" : `${count(job.cut_over)} of ${plural(job.tenants, "store")} cut over`);
  return parts.join(" · ") || (job.state === "requested" ? "Waiting for a projector" : "");
}

function speed(job) {
  const seconds = (new Date(job.finished_at) - new Date(job.started_at)) / 1000;
  return seconds > 0 ? ` in ${duration(seconds)}` : "";
}

function remaining(job) {
  const seconds = (new Date(overview.at) - new Date(job.started_at ?? job.requested_at)) / 1000;
  if (!job.done || seconds < 2 || job.done >= job.of) return "";
  return `, about ${duration(((job.of - job.done) * seconds) / job.done)} left`;
}

function showWork() {
  const shown = jobs();
  byId("jobs-empty").hidden = shown.length > 0;
  keep(byId("jobs"), shown, {
    key: (one) => one.id,
    create: () => make(
      "li", {}, make("span", { class: "what" }), make("span", { class: "state" }),
      make("div", { class: "how" }, make("progress", { max: "1", "aria-label": "Progress" }), make("span", {})), make("span", { class: "who" }),
    ),
    update(item, job) {
      const [what, state, how, who] = item.children;
      setText(what, `${sentence(job.kind)} ${job.name}${job.only_tenant ? ", one store" : ""}`);
      setText(state, sentence(job.state));
      setAttribute(state, "data-tone", JOB_TONES[job.state] ?? "");
      const bad = job.state === "failed" || job.state === "lost" || (job.finding && !job.finding.identical);
      setAttribute(how, "class", bad ? "how bad" : "how");
      const share = job.of ? job.done / job.of : job.tenants ? job.cut_over / job.tenants : 0;
      how.firstChild.hidden = job.state !== "running" || !share;
      how.firstChild.value = Math.min(1, share);
      setText(how.lastChild, told(job));
      setText(who, `${moment(job.at)} · ${person(job.requested_by)}`);
      setAttribute(who, "title", job.requested_by);
      const before = jobStates.get(job.id);
      if (before && before !== job.state && !["requested", "running"].includes(job.state)) say(`${sentence(job.kind)} of ${job.name}: ${job.state}. ${told(job)}`);
      jobStates.set(job.id, job.state);
    },
  });
}

/** Asked for while one runs, and now and then, for another console may have begun one. */
async function followVerifications(force = false) {
  const busy = verifications.some((one) => one.state === "running");
  if (!force && Date.now() - lastVerifications < (busy ? 900 : 8000)) return;
  lastVerifications = Date.now();
  try {
    ({ verifications } = await get("/verifications"));
    showWork();
  } catch {
    // The next look asks again; what is wrong with the server is told by the stream.
  }
}

/** Said when something changes for the better or the worse, not at every figure. */
function announce() {
  const late = overview.projections.filter((one) => one.lag_seconds >= 5).length;
  const dead = sum(overview.projections, "dead_letters");
  const now = [late ? `${plural(late, "projection")} late` : "no projection late", dead ? plural(dead, "dead letter") : "no dead letters"].join(", ");
  if (lastStanding && now !== lastStanding) say(now);
  lastStanding = now;
}

export function begin() {
  byId("stores-filter").addEventListener("input", () => overview && showStores());
  byId("stores-all").addEventListener("click", loadStores);
  addEventListener("asked", () => {
    lastVerifications = 0;
    followVerifications(true);
  });
}
