"""Folds events into read tables and Redis; rebuilds and verifies them."""
