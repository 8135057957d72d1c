"""Who buys: personal data in a table of its own, which erasing empties, and ids everywhere else."""
