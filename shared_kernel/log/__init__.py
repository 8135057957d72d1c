"""The event log: outbox and history in one. Its columns, how it is read, and which shard a tenant belongs to."""
