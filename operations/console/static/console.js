// The door and the desk: a session begins and ends here.

import { get, post } from "./api.js";
import * as desk from "./desk.js";
import { byId, say, whileBusy } from "./elements.js";
import * as explain from "./explain.js";
import * as keys from "./keys.js";
import * as letters from "./letters.js";
import { hush, listen } from "./live.js";
import * as manage from "./manage.js";
import * as sagas from "./sagas.js";
import * as watch from "./watch.js";

function showDoor(sentence = "") {
  hush();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  byId("desk").hidden = byId("bar").hidden = true;
  byId("door").hidden = false;
  byId("door-error").textContent = sentence;
  byId("key").focus();
}

function showDesk() {
  byId("door").hidden = true;
  byId("desk").hidden = byId("bar").hidden = false;
  listen(desk.showOverview);
  for (const part of [keys, letters, sagas, watch]) part.look();
}

async function enter(event) {
  event.preventDefault();
  const field = byId("key");
  const key = field.value.trim();
  if (!key) {
    byId("door-error").textContent = "Enter the key. It begins with sw_live_ or sw_test_.";
    field.setAttribute("aria-invalid", "true");
    field.focus();
    return;
  }
  const session = await whileBusy(event.submitter ?? byId("door-form").querySelector("button"), byId("door-error"), async () => {
    try {
      return await post("/sessions", undefined, { authorization: key });
    } catch (error) {
      if (error.status === 401) throw new Error("This key opens nothing: check that it is whole, and neither revoked nor expired.");
      if (error.status === 403) throw new Error("This is a store's key. The console takes an operator's key.");
      throw error;
    }
  });
  if (!session) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
    return;
  }
  field.value = "";
  field.removeAttribute("aria-invalid");
  showDesk();
  byId("main").focus();
  say("The console is open");
}

async function leave() {
  try {
    await post("/sessions/end");
  } catch {
    // The cookie ends by itself; what matters is that this page shows nothing more.
  }
  showDoor();
}

for (const part of [desk, explain, keys, letters, manage, sagas, watch]) part.begin();
byId("door-form").addEventListener("submit", enter);
byId("leave").addEventListener("click", leave);
addEventListener("session-over", () => byId("door").hidden && showDoor("The session has ended. Enter the key again."));

try {
  await get("/sessions/current");
  showDesk();
} catch (error) {
  showDoor(error.status === 401 || error.status === 403 ? "" : error.message);
}
