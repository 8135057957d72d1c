"""Holds and special orders: copies put aside for somebody, or waited for in turn."""
