"""One collection of the write database's tables: foreign keys find each other, the drift test sees all."""

from sqlalchemy import MetaData

WRITE_METADATA = MetaData()
"""Filled by every `tables.py`; nothing is created from it: migrations create, a test compares."""
