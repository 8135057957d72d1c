"""Opaque cursors: the last row's place in one order of one list, bound to that list, sort and filters.

A cursor holds nothing but values its holder was shown, is read with the columns' exact types, and row-level security
keeps every page within the tenant: so the digest is there to catch mistakes and mix-ups, and needs no key.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

from read_side.query_execution.lists.specification import Condition, ListSpecification

_VERSION: Final = 1
_DIGEST_BYTES: Final = 8
_MAX_ORDERS: Final = 512
"""Sorts come from allow-lists."""
_NOT_OURS = "start again without a cursor, or repeat the sort and the filters it was given for"


def encode_cursor(
    specification: ListSpecification, sort: str, conditions: tuple[Condition, ...], values: tuple[Any, ...]
) -> str:
    """The place after a row, whose values of the ordering columns these are."""
    payload = msgspec.msgpack.encode((_VERSION, values))
    digest = _digest(specification, sort, conditions, payload)
    return urlsafe_b64encode(digest + payload).decode().rstrip("=")


def decode_cursor(
    specification: ListSpecification, sort: str, conditions: tuple[Condition, ...], cursor: str
) -> tuple[Any, ...]:
    """The values `encode_cursor` was given.

    Raises:
        ValueError: it is not a cursor of this list, sort and filters; in words for the client.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        digest, payload = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if encode_again(raw) != cursor or digest != _digest(specification, sort, conditions, payload):
            raise ValueError(_NOT_OURS)
        version, values = _decoder(specification, sort).decode(payload)
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError) as error:
        raise ValueError(_NOT_OURS) from error
    if version != _VERSION:
        raise ValueError(_NOT_OURS)
    decoded: tuple[Any, ...] = values
    return decoded


def encode_again(raw: bytes) -> str:
    """Base64 has several spellings of the same bytes; only one of them is ours."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


@lru_cache(maxsize=_MAX_ORDERS)
def _decoder(
    specification: ListSpecification, sort: str
) -> msgspec.msgpack.Decoder[tuple[int, tuple[Any, ...]]]:  # Any: the columns' own types
    """Reads exactly the types of the columns that order the list."""
    kinds: list[Any] = [
        column.type.python_type | None if column.nullable else column.type.python_type
        for column in specification.order(sort)
    ]
    values: Any = tuple.__class_getitem__(tuple(kinds))
    return msgspec.msgpack.Decoder(tuple.__class_getitem__((int, values)))


def _digest(specification: ListSpecification, sort: str, conditions: tuple[Condition, ...], payload: bytes) -> bytes:
    # Plain text: SQLAlchemy's names are a kind of str that msgspec refuses.
    order = [f"{column.name}" for column in specification.order(sort)]
    bound = msgspec.msgpack.encode((specification.view.label, specification.columns, sort, order, conditions))
    return blake2b(len(bound).to_bytes(4, "big") + bound + payload, digest_size=_DIGEST_BYTES).digest()
