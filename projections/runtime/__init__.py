"""What turns pure folds into tables: batches, checkpoints, leases, parking, and the way to Redis."""
