"""Who buys, with names from the one table that holds them."""
