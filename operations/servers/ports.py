"""Which TCP port on 127.0.0.1 a server takes."""

import socket
from contextlib import closing


def choose_port(preferred: int | None) -> int:
    """The preferred port if it is free (clients of the last run find the server again), else one the OS picks.

    It may be taken between choosing and listening: whoever starts a server tries again a few times.
    """
    if preferred is not None and _is_free(preferred):
        return preferred
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
