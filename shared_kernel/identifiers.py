"""Time-ordered identifiers."""

import os
import time
from uuid import UUID

_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)


def new_id() -> UUID:
    """A UUIDv7: 48 bits of Unix milliseconds, then 74 random bits.

    Source: RFC 9562, section 5.7. The standard library has it from Python 3.14 only.
    """
    return UUID(int=_number())


def new_id_text() -> str:
    """The same as text, for the many that nobody needs otherwise."""
    text = f"{_number():032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _number() -> int:
    milliseconds = time.time_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10), "big")
    high = (random_bits >> 62) & 0xFFF
    low = random_bits & ((1 << 62) - 1)
    return (milliseconds << 80) | _VERSION_AND_VARIANT | (high << 64) | low
