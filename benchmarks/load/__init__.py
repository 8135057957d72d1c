"""Load: what to ask, the two ways to ask it, and what came back."""
