"""What is on the shelves now, per edition and location."""
