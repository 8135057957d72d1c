"""What receivers were sent, and how they answered."""
