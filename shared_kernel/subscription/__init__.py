"""Following the log as one of several workers: leases over shards, who keeps them, and what wakes a worker."""
