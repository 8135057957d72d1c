"""Who stands behind an API key, for the read side."""
