"""The bounds of streams."""

from typing import Final

import msgspec


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Of one process.

    Attributes:
        max_streams: a stream costs some 30 kB and hardly any time, and its clients come back all at once after a fault.
        max_streams_of_tenant: more than a store has screens.
        max_streams_of_key: more than a dashboard has open tabs.
        lasts_seconds: then it ends, and its client comes back: so streams spread over the processes there are.
        heartbeat_seconds: less than what proxies on the way allow to be silent.
        write_seconds: a client that takes nothing for so long has gone, or might as well have.
        spacing_seconds: between looks at a store: at most four events a second for each topic.
        poll_seconds: looks where nobody has said anything, in case it was lost.
        unchecked_seconds: for so long a stream outlives a database that cannot say whether its key is still good.
    """

    max_streams: int = 256
    max_streams_of_tenant: int = 64
    max_streams_of_key: int = 16
    lasts_seconds: float = 900.0
    heartbeat_seconds: float = 15.0
    write_seconds: float = 30.0
    spacing_seconds: float = 0.25
    poll_seconds: float = 1.0
    unchecked_seconds: float = 60.0


DEFAULT_LIVE_SETTINGS: Final = LiveSettings()
