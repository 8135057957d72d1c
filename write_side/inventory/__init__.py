"""Where copies are and how many: locations, stock, and the movements that made it so."""
