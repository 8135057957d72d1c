"""A real Valkey that can be ended and started again."""

from operations.servers.valkey import RunningValkey, Valkey, start_valkey, stop_valkey, valkey_url


class StoppableValkey:
    """A Valkey that can be ended and started again at the same address."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._running: RunningValkey | None = start_valkey(valkey)
        self.port = self._running.port
        self.password = valkey.password

    @property
    def url(self) -> str:
        """Database 0 of it."""
        return valkey_url(port=self.port, password=self.password)

    def start(self) -> None:
        """Start it again, empty, if it was stopped."""
        if self._running is None:
            self._running = start_valkey(self._valkey, preferred_port=self.port)
            assert self._running.port == self.port

    def stop(self) -> None:
        """End it, if it runs."""
        if self._running is not None:
            stop_valkey(self._running)
            self._running = None
