"""Who asks, at a command line."""

import getpass


def at_the_command_line() -> str:
    """The person's account, as requests and audit rows name it."""
    try:
        return f"command-line:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return "command-line:unknown"
