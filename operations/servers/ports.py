"""Which TCP port on 127.0.0.1 a server takes."""

import secrets
import socket
from contextlib import closing
from typing import Final

_BELOW_CLIENTS: Final = range(20_000, 32_000)
"""Linux gives outgoing connections ports from 32768 on: none of them takes one of these in between."""
_TRIES: Final = 20


def choose_port(preferred: int | None) -> int:
    """The preferred port if it is free (clients of the last run find the server again), else one that is.

    It may be taken between choosing and listening: whoever starts a server tries again a few times.
    """
    if preferred is not None and _is_free(preferred):
        return preferred
    # Not the module's own generator: runs that seed it alike would choose alike.
    for port in secrets.SystemRandom().sample(_BELOW_CLIENTS, _TRIES):
        if _is_free(port):
            return port
    return _picked_by_the_system()


def _picked_by_the_system() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
