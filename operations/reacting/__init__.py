"""Reactions as operators see them: how far each is, and the keys that wait because an event failed."""
