"""Opaque cursors: the place of a page's last row, bound to the question that the page answers.

A cursor holds nothing but values its holder was shown, and row-level security keeps every page within the tenant: so
the digest is there to catch mistakes and mix-ups, and needs no key. What it guards may therefore be made up: a place is
declared with the types below, which let through nothing that PostgreSQL would not take.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast

import msgspec

from shared_kernel.errors import FieldError, InvalidError

MAX_CURSOR_LENGTH: Final = 4096
_DIGEST_BYTES: Final = 8
_MAX_PLACE_TYPES: Final = 512
"""An order of a list each; sorts come from allow-lists."""

# One less than bigint has, so that the other order's `-$1` holds as well.
PlaceInt64: TypeAlias = Annotated[int, msgspec.Meta(ge=1 - 2**63, le=2**63 - 1)]
PlaceInt32: TypeAlias = Annotated[int, msgspec.Meta(ge=1 - 2**31, le=2**31 - 1)]
PlaceInt16: TypeAlias = Annotated[int, msgspec.Meta(ge=1 - 2**15, le=2**15 - 1)]
PlaceText: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00]*\Z")]
PlaceTime: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]

PlaceT = TypeVar("PlaceT", bound=tuple[Any, ...])  # Any: values of the columns that order a page


class InvalidCursor(InvalidError):
    """The cursor is not one this list gave for this sort and these filters."""

    code = "invalid_cursor"
    title = "The cursor does not belong to this list"


def encode_cursor(question: Iterable[object], place: Iterable[object]) -> str:
    """The place after the row whose values of the ordering columns these are.

    Args:
        question: all that the page depends on but its place, in values that msgpack takes.
        place: as `decode_cursor` is to give it back.
    """
    payload = msgspec.msgpack.encode(tuple(place))
    return _text(_digest(question, payload) + payload)


def decode_cursor(question: Iterable[object], cursor: str, kind: type[PlaceT]) -> PlaceT:
    """The place `encode_cursor` was given.

    Args:
        question: as above.
        cursor: as the client sent it.
        kind: a tuple of this module's types, or of others that whatever msgpack holds is safe as (a UUID).

    Raises:
        InvalidCursor: it is not a cursor of this question.
    """
    try:
        return cast("PlaceT", tuple(_in_utc(value) for value in _decoder(kind).decode(_opened(question, cursor))))
    except (ValueError, OverflowError, binascii.Error, msgspec.DecodeError) as error:
        fault = FieldError(
            pointer="cursor",
            code=InvalidCursor.code,
            detail="start again without a cursor, or repeat the parameters it was given for",
        )
        raise InvalidCursor("the query string is not valid: see errors", errors=(fault,)) from error


def _opened(question: Iterable[object], cursor: str) -> bytes:
    if len(cursor) > MAX_CURSOR_LENGTH:
        raise ValueError("longer than any of ours")
    raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    # Base64 has several spellings of the same bytes; only one of them is ours.
    if _text(raw) != cursor or raw[:_DIGEST_BYTES] != _digest(question, raw[_DIGEST_BYTES:]):
        raise ValueError("not one of ours, or of another question")
    return raw[_DIGEST_BYTES:]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _digest(question: Iterable[object], payload: bytes) -> bytes:
    return blake2b(msgspec.msgpack.encode((tuple(question), payload)), digest_size=_DIGEST_BYTES).digest()


def _in_utc(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@lru_cache(maxsize=_MAX_PLACE_TYPES)
def _decoder(kind: type[PlaceT]) -> msgspec.msgpack.Decoder[PlaceT]:
    return msgspec.msgpack.Decoder(kind)
