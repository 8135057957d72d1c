"""Word that something was changed from outside: what a drain knows of its tenants is to be loaded again."""


class News:
    """Counts such changes; whoever has loaded what they concern compares."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def count(self) -> int:
        """How many there were in this process."""
        return self._count

    def note(self) -> None:
        """There was one more."""
        self._count += 1
