"""Views as of a position: asked for here, built by the projector, read with `as_of`."""
