"""What no parser should see: bodies that are not UTF-8, hold NUL, or nest without end; told in linear time."""

import re
from typing import Final

from shared_kernel.errors import MalformedError

MAX_NESTING: Final = 64

# Possessive, so that an unterminated string costs one pass and not one for every quote in it.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_OPENING: Final = frozenset(b"[{")


def reject_unreadable(body: bytes) -> None:
    """Refuse what would end in a 500, or be stored where nothing can read it.

    Raises:
        MalformedError: not UTF-8, a NUL (PostgreSQL's text cannot hold it), or nested past 64.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        message = "The body is not UTF-8."
        raise MalformedError(message) from None
    if b"\x00" in body or (b"\\u0000" in body and _NUL_ESCAPE.search(body)):
        message = "The body contains the NUL character, which no text of ours can hold."
        raise MalformedError(message)
    if body.count(b"[") + body.count(b"{") > MAX_NESTING and _nests_past(body, MAX_NESTING):
        message = f"The body nests deeper than {MAX_NESTING} levels."
        raise MalformedError(message)


def _nests_past(body: bytes, bound: int) -> bool:
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in _OPENING else -1
        if depth > bound:
            return True
    return False
