"""How operating an installation can fail."""


class CommandFailed(Exception):
    """The command cannot do what was asked; the message says what to do about it."""
