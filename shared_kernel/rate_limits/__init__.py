"""GCRA limits: per tenant and per key in Redis, per address in process, each process's share when Redis is away."""
