"""Copies put aside or waited for: one row a hold."""
