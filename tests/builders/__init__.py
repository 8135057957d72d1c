"""Builders of what tests are given."""
