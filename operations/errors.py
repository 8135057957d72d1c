"""How operating an installation can fail."""

from typing import ClassVar


class CommandFailed(Exception):
    """The command cannot do what was asked; the message says what to do about it."""

    code: ClassVar[str] = "cannot_be_done"
    """As HTTP and the audit say it."""
