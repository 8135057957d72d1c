"""Web pages that may call the API: a browser's preflight carries no key, so no store can be told from it."""
