"""Redis, one multiplexed connection per process, with keys that cannot be built without a tenant."""
