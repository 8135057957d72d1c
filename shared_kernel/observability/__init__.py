"""Seen from outside: structured logs without secrets, and metrics per process."""
