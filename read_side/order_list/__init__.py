"""The list of orders: one row an order, with what a table of them shows, filters and sorts by."""
