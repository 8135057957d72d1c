"""The places that hold the store's stock."""
