"""Pure readers of foreign files: no database, no HTTP, no store."""
