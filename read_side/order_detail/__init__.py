"""One order in full: its lines and what has happened to it."""
