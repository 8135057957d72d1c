// The operators' API. The session is a cookie that no script can read; the header below keeps other sites out.

const ROOT = "/api/v1/operations";

/** What went wrong, in a sentence that says what to do. */
export class Problem extends Error {
  constructor(status, body) {
    const details = (body?.errors ?? []).map((one) => `${one.pointer.replace(/^\//, "")}: ${one.detail}`);
    super([body?.detail ?? advice(status), ...details].join(" "));
    this.status = status;
    this.code = body?.code;
  }
}

const advice = (status) =>
  status === 0
    ? "The server does not answer. It may be restarting: try again in a moment."
    : `The server answered ${status}. Try again; if it stays so, look into its log.`;

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(ROOT + path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Problem(0);
  }
  const body = await response.json().catch(() => null);
  if (response.status === 401 && !path.startsWith("/sessions")) dispatchEvent(new CustomEvent("session-over"));
  if (!response.ok) throw new Problem(response.status, body);
  return body.data;
}

export const get = (path) => ask(path);

/** Change something, once: the same key goes with every attempt of one intent. */
export function post(path, data, { key, authorization } = {}) {
  const headers = { "X-ShelfWise-Console": "1", "Idempotency-Key": key ?? crypto.randomUUID() };
  if (authorization) headers.Authorization = `Bearer ${authorization}`;
  if (data !== undefined) headers["Content-Type"] = "application/json";
  return ask(path, { method: "POST", headers, body: data === undefined ? undefined : JSON.stringify(data) });
}

export const segment = encodeURIComponent;
