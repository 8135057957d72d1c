"""A few figures of the store and how they compare with an earlier period."""
