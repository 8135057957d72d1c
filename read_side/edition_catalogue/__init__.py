"""The catalogue: every edition of the store, by id, filtered and sorted, and searched."""
