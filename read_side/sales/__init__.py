"""Figures of sales by hour and day, in the store's own calendar, in total and along five dimensions."""
