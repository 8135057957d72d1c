"""Bodies into words, or into what is kept of a body that does not fit."""

import hashlib
from typing import TypeVar
from uuid import UUID

import msgspec

from write_side.payments.gateway import Malformed

WordT = TypeVar("WordT")

_MAX_DEPTH = 6
_MAX_NAMES = 40
_MAX_NAME_LENGTH = 60


def read(body: bytes, kind: type[WordT]) -> WordT | Malformed:
    """The body as `kind`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # A validation error names the field and the types, a decode error the place; neither quotes a value.
        return malformed(body, str(error) if isinstance(error, msgspec.DecodeError) else "not UTF-8 JSON")


def malformed(body: bytes, why: str, *, tenant_id: UUID | None = None) -> Malformed:
    """What is kept of a body from which nothing may be concluded."""
    return Malformed(
        why=why,
        digest=hashlib.sha256(body).hexdigest(),
        outline=msgspec.json.encode(_outline(_decoded(body), _MAX_DEPTH)).decode(),
        tenant_id=tenant_id,
    )


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"{len(body)} bytes that are not JSON"


def _outline(value: object, depth: int) -> object:
    if isinstance(value, dict) and depth:
        names = list(value)[:_MAX_NAMES]
        return {f"{name}"[:_MAX_NAME_LENGTH].replace("\x00", ""): _outline(value[name], depth - 1) for name in names}
    if isinstance(value, list) and depth:
        return [_outline(item, depth - 1) for item in value[:1]]
    return type(value).__name__
