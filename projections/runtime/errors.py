"""What can stop a batch without anything being wrong with the events."""


class LeaseLostError(Exception):
    """Another worker has the shard: forget everything held in memory about it."""


class CheckpointMovedError(Exception):
    """A checkpoint is not where this worker left it: load again and start over."""
