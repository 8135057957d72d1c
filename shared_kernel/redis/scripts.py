"""Lua scripts, sent by their digest; a server that does not know one is taught within the same logical call."""

from collections.abc import Sequence
from hashlib import sha1

import msgspec

from shared_kernel.redis.errors import RedisReplyError
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.replies import Argument, Command, Reply, pack_shared


class Script:
    """One Lua source; its digest is computed here, so nothing is loaded before it is first needed."""

    def __init__(self, source: str) -> None:
        self.source = source
        # SHA-1 is how Redis names scripts; nothing is secured by it.
        self.digest = sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: MultiplexedRedis, *, keys: Sequence[str], args: Sequence[Argument] = ()) -> Reply:
        """Run once: EVALSHA, and EVAL where the server answers NOSCRIPT (nothing has run then).

        Raises: what `MultiplexedRedis.call` raises.
        """
        try:
            return await redis.call("EVALSHA", self.digest, len(keys), *keys, *args)
        except RedisReplyError as error:
            if not _is_unknown(error):
                raise
        return await redis.call("EVAL", self.source, len(keys), *keys, *args)

    def packed(self, *, keys: Sequence[str], args: Sequence[Argument] = ()) -> bytes:
        """The run by digest, encoded, for `MultiplexedRedis.send`; who does not know the script answers NOSCRIPT."""
        return pack_shared(("EVALSHA", self.digest, len(keys), *keys, *args))


class ScriptCall(msgspec.Struct, frozen=True, kw_only=True):
    """A script with the keys and arguments of one run, for a pipeline."""

    script: Script
    keys: tuple[str, ...]
    args: tuple[Argument, ...] = ()

    def command(self) -> Command:
        """Write the run as a command, by digest."""
        return ("EVALSHA", self.script.digest, len(self.keys), *self.keys, *self.args)


async def run_scripts(redis: MultiplexedRedis, calls: Sequence[ScriptCall]) -> list[Reply]:
    """Run many in one pipeline, whichever scripts they are of; errors stay in their places.

    Those whose script the server did not know run again, in their order, in a second pipeline once it is loaded:
    after the others, then, so calls that must keep an order across scripts do not belong in one batch.
    Raises: what `MultiplexedRedis.pipeline` raises.
    """
    replies = await redis.pipeline([call.command() for call in calls])
    missed = [index for index, reply in enumerate(replies) if _is_unknown(reply)]
    if missed:
        sources = {calls[index].script.digest: calls[index].script.source for index in missed}
        # One by one, for the second pipeline may not have more commands than the first was allowed.
        for source in sources.values():
            await redis.call("SCRIPT", "LOAD", source)
        again = await redis.pipeline([calls[index].command() for index in missed])
        for index, reply in zip(missed, again, strict=True):
            replies[index] = reply
    return replies


def _is_unknown(reply: Reply) -> bool:
    return isinstance(reply, RedisReplyError) and str(reply).startswith("NOSCRIPT")
