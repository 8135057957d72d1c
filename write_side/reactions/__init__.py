"""Reacting to the log: a leased, checkpointed subscription whose effects commit together with its checkpoint."""
