"""The `shelfwise` command: run it all, migrate, import, rebuild, inspect."""

from operations.command_line.entry import main

__all__ = ["main"]
