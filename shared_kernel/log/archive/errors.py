"""What can be wrong with an archive."""

import errno


class ArchiveUnreadableError(OSError):
    """An archive file is not there, or not what the manifest says; whoever needs it can go no further until it is.

    It is a failure of storage, as a database that is away: nobody parks an event over it, and trying again may help.
    """

    def __init__(self, uri: str, reason: str) -> None:
        advice = "put the file back from a copy; nothing was changed, and whoever needs it goes on by itself"
        super().__init__(errno.EIO, f"the archive cannot be read, because the file {reason}: {advice}", uri)
        self.uri = uri
        self.reason = reason


class LogBrokenError(OSError):
    """Positions are missing from the log, and no archive file holds them."""

    def __init__(self, position: int) -> None:
        super().__init__(errno.EIO, f"event {position} is neither in the log nor in an archive file: restore a backup")


UNREADABLE = (ArchiveUnreadableError, LogBrokenError)
"""What keeps one store's events from being read; the database is there, and other stores' events are."""
