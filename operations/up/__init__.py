"""`shelfwise up`: everything on this machine, in one process tree that ends together."""
