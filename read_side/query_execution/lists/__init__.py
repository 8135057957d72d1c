"""Lists: allow-listed filters and sorts, opaque cursors, keyset pages, one statement a page."""
