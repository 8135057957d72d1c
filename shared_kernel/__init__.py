"""What the rooms stand on: tenancy, events, the log's format, access, and the ways to PostgreSQL, Redis and HTTP."""
