"""The one way a command runs: claim its key, decide, append, commit, ring. Nothing else in the write side commits."""
