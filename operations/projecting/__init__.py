"""Projections seen and moved from outside: how far they are, rebuilding, verifying, a projector for the moment."""
