"""Mirrors the rooms, on real servers; plus `architecture/`, `system/` and `builders/`."""
