"""What can be wrong with a command of a batch beside what its own route says."""

from shared_kernel.errors import ConflictError, InvalidError


class UnknownCommand(InvalidError):
    """No command that a batch takes has this name."""

    code = "unknown_command"


class PartlyDoneBefore(ConflictError):
    """Some of a transaction's commands were done before, by themselves."""

    code = "partly_done_before"
