"""Who may operate the platform, what they did, and how a repeated request happens once."""
