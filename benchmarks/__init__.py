"""ShelfWise beside its floors and its peers, in one run on one machine: `python -m benchmarks`."""
