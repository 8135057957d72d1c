"""The store itself: its name, currency, time zone."""
