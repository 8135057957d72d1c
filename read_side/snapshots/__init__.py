"""`/snapshots/{id}`: how far the views are that were asked for as of a position."""
