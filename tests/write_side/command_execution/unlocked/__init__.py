"""Orders decided without locks."""
