"""Whether the key that opened a stream still does, asked for as long as the stream lasts."""

import asyncio
from collections.abc import Sequence

from read_side.live.stream import Ending, StillMay
from read_side.live.topics import Topic
from shared_kernel.access.principals import Principal
from shared_kernel.errors import UnauthenticatedError, UnavailableError
from shared_kernel.http.authentication import Authentication


def check_of(
    authentication: Authentication,
    authorization: bytes | None,
    *,
    principal: Principal,
    topics: Sequence[Topic],
    unchecked_seconds: float,
) -> StillMay:
    """Asked at every heartbeat, it also keeps the key known to this process.

    Args:
        authentication: whom to ask.
        authorization: by which the principal is known.
        principal: who opened the stream, just now.
        topics: that it tells of.
        unchecked_seconds: for so long nobody need be able to say.
    """
    loop = asyncio.get_running_loop()
    good_at = loop.time()

    async def still_may() -> Ending | None:
        nonlocal good_at
        try:
            now = await authentication.principal(authorization)
        except UnauthenticatedError:
            return "key"
        except UnavailableError:
            # Not the key's fault: its client comes back, and is asked for it then.
            return None if loop.time() - good_at < unchecked_seconds else "fault"
        good_at = loop.time()
        may = now.store == principal.store and all(now.role in topic.policy.roles for topic in topics)
        return None if may else "key"

    return still_may
