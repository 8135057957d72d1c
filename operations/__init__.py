"""The `shelfwise` command: run it all, migrate, import, rebuild, inspect."""
