// The stream of overviews, and what is shown while there is none.

import { get } from "./api.js";
import { byId, say, setAttribute, setText } from "./elements.js";
import { time } from "./format.js";

const SILENT_MS = 5000;
const AGAIN_MS = 3000;

let source = null;
let again = null;
let lastFrame = 0;
let watchdog = null;

/** Begin to listen; `show` is called with every overview. */
export function listen(show) {
  hush();
  lastFrame = Date.now();
  source = new EventSource("/api/v1/operations/live");
  source.addEventListener("overview", (event) => {
    lastFrame = Date.now();
    const overview = JSON.parse(event.data);
    pulse("live", `Live, ${time(overview.at)}`);
    notice("");
    show(overview);
  });
  source.addEventListener("away", (event) => {
    lastFrame = Date.now();
    const { reason } = JSON.parse(event.data);
    pulse("away", "Databases away");
    notice(`The databases do not answer (${reason}). What stands below is old. “Examine now” under Doctor says which.`);
  });
  source.addEventListener("error", () => {
    // Streams are short and a browser comes back by itself, which is no news; after a refusal it gives up for good.
    if (source?.readyState === EventSource.CLOSED) comeBack(show);
  });
  watchdog = setInterval(() => {
    if (Date.now() - lastFrame > SILENT_MS) pulse("away", "Reconnecting");
  }, 1000);
}

export function hush() {
  source?.close();
  source = null;
  clearTimeout(again);
  clearInterval(watchdog);
}

function comeBack(show) {
  hush();
  again = setTimeout(async () => {
    try {
      await get("/sessions/current");
      listen(show);
    } catch (error) {
      if (error.status === 401) dispatchEvent(new CustomEvent("session-over"));
      else {
        notice(error.message);
        comeBack(show);
      }
    }
  }, AGAIN_MS);
}

function pulse(state, text) {
  const shown = byId("pulse");
  if (shown.dataset.state !== state) say(state === "live" ? "Live figures" : text);
  setAttribute(shown, "data-state", state);
  setText(byId("pulse-text"), text);
}

export function notice(text) {
  const shown = byId("notice");
  setText(shown, text);
  shown.hidden = !text;
}
