"""Stores and the keys to them."""
