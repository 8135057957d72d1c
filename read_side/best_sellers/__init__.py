"""Which editions sell most, over all time and over the last days."""
