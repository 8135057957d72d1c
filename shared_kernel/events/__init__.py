"""What has happened, in words that never change their meaning: one module a stream, and the registry that lists them all."""
