// Names of stores, for whoever begins to type one.

import { get } from "./api.js";
import { byId, keep, make } from "./elements.js";

export async function loadStoreNames() {
  try {
    const { stores } = await get("/stores");
    keep(byId("store-names"), stores, { key: (one) => one.tenant, create: (one) => make("option", { value: one.tenant }), update() {} });
  } catch {
    // Only a convenience: a name can be typed.
  }
}
