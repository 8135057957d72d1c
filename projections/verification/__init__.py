"""Proving a read table and its rows in Redis: fold the log again to the very position they claim, and compare."""
