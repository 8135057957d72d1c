"""The write database's history."""
