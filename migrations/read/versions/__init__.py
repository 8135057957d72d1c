"""The read database's history."""
