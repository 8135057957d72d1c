"""What has happened, in words that never change their meaning: one module a stream, one registry of all."""
