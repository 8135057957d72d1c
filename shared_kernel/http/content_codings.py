"""In which codings a client takes an answer's bytes: `Accept-Encoding` (RFC 9110, section 12.5.3)."""

import re
from functools import lru_cache
from typing import Final

import msgspec

_NAMES_OF_GZIP: Final = frozenset({b"gzip", b"x-gzip"})
_IDENTITY: Final = b"identity"
_ANY: Final = b"*"
_WEIGHT: Final = re.compile(rb"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
_MAX_REMEMBERED: Final = 64
"""Browsers of one kind all send the same; anybody may make others up, so they are forgotten in turn."""
_MAX_LENGTH: Final = 256
"""Longer than any client's own; what is longer is not looked at."""


class Codings(msgspec.Struct, frozen=True, kw_only=True):
    """What a client takes of what we have.

    Attributes:
        gzip: it takes gzip, and does not rather have the bytes as they are.
        identity: it takes the bytes as they are, as everybody does who does not refuse them.
    """

    gzip: bool
    identity: bool


PLAIN: Final = Codings(gzip=False, identity=True)
"""Of a client that does not say, or takes none of ours: what cannot be met is answered as if it had not been asked."""


def codings_taken(accept_encoding: bytes | None) -> Codings:
    """What the field says; its lines joined."""
    return PLAIN if accept_encoding is None or len(accept_encoding) > _MAX_LENGTH else _read(accept_encoding)


@lru_cache(maxsize=_MAX_REMEMBERED)
def _read(accept_encoding: bytes) -> Codings:
    weights: dict[bytes, float] = {}
    for coding in accept_encoding.lower().split(b","):
        name, *parameters = (part.strip() for part in coding.split(b";"))
        weights[b"gzip" if name in _NAMES_OF_GZIP else name] = _weight(parameters)
    others = weights.get(_ANY)
    gzip = weights.get(b"gzip", others or 0.0)
    # Who does not name it takes it, but asks for the other.
    identity = weights.get(_IDENTITY, others)
    if not gzip:
        return PLAIN
    return Codings(gzip=gzip >= (identity or 0.0), identity=identity != 0.0)


def _weight(parameters: list[bytes]) -> float:
    """From 0 to 1; 1 where none is given, and 0 where it cannot be read: nothing is sent on a guess."""
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"q":
            return float(value) if _WEIGHT.match(value.strip()) else 0.0
    return 1.0
