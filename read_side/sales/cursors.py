"""Opaque cursors of `/sales`: where a page of sums ended, bound to the question it was an answer to.

A cursor holds only what its holder was shown, and a page is read under the tenant's policies whatever it says: the
digest is there to catch mix-ups, and needs no key.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec

_DIGEST_BYTES: Final = 8
ValuesT = TypeVar("ValuesT")


class CursorMismatchError(ValueError):
    """Not a cursor, or one of another question."""


def encode_cursor(question: tuple[object, ...], values: tuple[object, ...]) -> str:
    """The place after the row that has these values."""
    payload = msgspec.msgpack.encode(values)
    return urlsafe_b64encode(_digest(question, payload) + payload).decode().rstrip("=")


def decode_cursor(question: tuple[object, ...], cursor: str, kind: type[ValuesT]) -> ValuesT:
    """The values it was made of.

    Raises:
        CursorMismatchError: it was not made here, or for another question.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        if raw[:_DIGEST_BYTES] != _digest(question, raw[_DIGEST_BYTES:]):
            raise CursorMismatchError("repeat the request without a cursor, or with the parameters it was given for")
        return msgspec.msgpack.decode(raw[_DIGEST_BYTES:], type=kind)
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError) as error:
        raise CursorMismatchError("this is no cursor of ours") from error


def _digest(question: tuple[Any, ...], payload: bytes) -> bytes:  # Any: whatever a question is made of
    return blake2b(msgspec.msgpack.encode((question, payload)), digest_size=_DIGEST_BYTES).digest()
