"""Buckets in this process: for addresses before authentication, and for everybody while Redis is away."""

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final, Generic, TypeVar

import msgspec

from shared_kernel.rate_limits.gcra import Bucket, Decision, Drawn, draw

Key = TypeVar("Key", bound=Hashable)

# Some 10 MB. Past it the address least recently seen is forgotten, that is, its bucket is full again.
DEFAULT_MAX_KEYS: Final = 50_000
_IPV6_SITE_PREFIX: Final = 64


class LocalGcra(Generic[Key]):
    """At most `max_keys` buckets of one kind; who comes back after being forgotten finds a full bucket."""

    def __init__(self, bucket: Bucket, *, max_keys: int = DEFAULT_MAX_KEYS) -> None:
        if max_keys < 1:
            message = "max_keys is at least 1"
            raise ValueError(message)
        self._bucket = bucket
        self._capacity_us = bucket.burst * bucket.interval_us
        self._max_keys = max_keys
        self._tats_us: OrderedDict[Key, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tats_us)

    def take(self, key: Key, now_us: int) -> bool:
        """Draw one unit if it is there: `admit` without the words, for the many who are let in."""
        full_at_us = now_us + self._capacity_us
        stored_us = self._tats_us.get(key, now_us)
        # `min(max(…))` calls twice, and everybody comes by here.
        taken_us = now_us if stored_us < now_us else min(stored_us, full_at_us)
        drawn_us = taken_us + self._bucket.interval_us
        if drawn_us > full_at_us:
            return False
        self.store(key, drawn_us)
        return True

    def admit(self, key: Key, *, now_us: int, cost: int = 1) -> Decision:
        """Draw `cost` units if they are there; `now_us` is of a monotonic clock."""
        return admit_all([(self, key)], now_us=now_us, cost=cost)[0]

    def look(self, key: Key, *, now_us: int, cost: int) -> Drawn:
        """Decide without drawing."""
        return draw(self._bucket, stored_tat_us=self._tats_us.get(key), now_us=now_us, cost=cost)

    def store(self, key: Key, tat_us: int) -> None:
        """Make a draw, forgetting whoever was longest not seen if there are too many."""
        self._tats_us[key] = tat_us
        self._tats_us.move_to_end(key)
        if len(self._tats_us) > self._max_keys:
            self._tats_us.popitem(last=False)

    def see(self, key: Key) -> None:
        """Count as seen, without a draw: whoever keeps knocking is not forgotten for being refused."""
        if key in self._tats_us:
            self._tats_us.move_to_end(key)


def admit_all(limits: Sequence[tuple[LocalGcra[Key], Key]], *, now_us: int, cost: int) -> list[Decision]:
    """Draw from every bucket, or, if one refuses, from none; the decisions then tell what each still has."""
    looked = [limiter.look(key, now_us=now_us, cost=cost) for limiter, key in limits]
    if not all(drawn.decision.allowed for drawn in looked):
        return [_refused(*limit, drawn.decision, now_us=now_us) for limit, drawn in zip(limits, looked, strict=True)]
    for (limiter, key), drawn in zip(limits, looked, strict=True):
        if drawn.tat_us > now_us:  # a full bucket needs no memory
            limiter.store(key, drawn.tat_us)
    return [drawn.decision for drawn in looked]


def _refused(limiter: LocalGcra[Key], key: Key, decision: Decision, *, now_us: int) -> Decision:
    """Keep what this limit says, but show what it has left when nothing is drawn."""
    limiter.see(key)
    left = limiter.look(key, now_us=now_us, cost=0).decision
    return msgspec.structs.replace(decision, remaining=left.remaining, reset_us=left.reset_us)


def address_key(address: str) -> str:
    """Return what an address is limited by: IPv4 whole, IPv6 by its /64, of which one host has all 2**64.

    What is no address (a Unix socket's peer) is limited as it is written.
    """
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), _IPV6_SITE_PREFIX), strict=False))
