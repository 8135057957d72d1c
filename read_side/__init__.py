"""Answer GETs from Redis and read tables, never from the write model."""
