"""One look at reactions: how far each is, what their outboxes still owe, and who follows them."""

from typing import Final

import msgspec

from shared_kernel.database.pool import Connection

SEEN_SECONDS: Final = 5.0
"""A projector whose heartbeat is older does not count: live ones beat every second."""
_REACTING: Final = "SELECT name, tenants, lag_events, lag_seconds, dead, retrying FROM reaction.standing()"
_OUTBOXES: Final = "SELECT name, due, overdue_seconds FROM reaction.outboxes() ORDER BY name"
_REACTORS: Final = "SELECT workers, shards, held_shards FROM reaction.labour($1)"


class Labour(msgspec.Struct, frozen=True, kw_only=True):
    """Who projects, or reacts: workers whose heart beat lately, and how many of the shards somebody holds."""

    workers: int
    shards: int
    held_shards: int


class ReactionSight(msgspec.Struct, frozen=True, kw_only=True):
    """How far one reaction is, over all stores.

    Attributes:
        lag_seconds: the age of the oldest event it has not looked at.
        dead: parked keys given up on; `retrying` ones are still being tried.
    """

    name: str
    tenants: int
    lag_events: int
    lag_seconds: float
    dead: int
    retrying: int


class OutboxSight(msgspec.Struct, frozen=True, kw_only=True):
    """What is due of one outbox to whoever does not fail, and since when the oldest of it has been."""

    name: str
    due: int
    overdue_seconds: float


class Reacting(msgspec.Struct, frozen=True, kw_only=True):
    """How reactions are, and who follows them."""

    reactions: tuple[ReactionSight, ...]
    outboxes: tuple[OutboxSight, ...]
    labour: Labour


async def look_at_reactions(write: Connection) -> Reacting:
    """How reactions are; at one moment; the connection is of a role that may ask the log."""
    reactions = [
        ReactionSight(**{**dict(row), "lag_events": int(row["lag_events"])}) for row in await write.fetch(_REACTING)
    ]
    return Reacting(
        reactions=tuple(sorted(reactions, key=lambda one: one.name)),
        outboxes=tuple(OutboxSight(**dict(row)) for row in await write.fetch(_OUTBOXES)),
        labour=Labour(**dict(await write.fetchrow(_REACTORS, SEEN_SECONDS))),
    )
