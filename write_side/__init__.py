"""Turns a command into a decision, rows and events, in one transaction."""
