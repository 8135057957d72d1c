"""Exact counts of what the store has: orders by status, editions, locations."""
