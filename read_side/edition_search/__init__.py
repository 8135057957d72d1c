"""Search over title, contributors and numbers: prefixes and typos, through terms that every index can serve."""
