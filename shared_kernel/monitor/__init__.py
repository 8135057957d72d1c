"""Whether events become visible, worked out by whoever asks from what both databases say, and never by a projector."""
