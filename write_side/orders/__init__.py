"""What customers order, get and bring back."""
