"""The request headers of the contract, read once and in one place."""

import re
from typing import Final, Literal, TypeAlias

from litestar.datastructures import Headers

from shared_kernel.errors import FieldError, InvalidError, MalformedError, PreconditionRequiredError
from shared_kernel.http.routes import Need

MAX_WAIT_SECONDS: Final = 10
_MAX_POSITION: Final = 2**63 - 1
_KEY = re.compile(r'"([\x20-\x21\x23-\x7e]{1,255})"\Z|([\x21\x23-\x7e][\x20\x21\x23-\x7e]{0,254})\Z')
_VERSION_TAG = re.compile(r'"(0|[1-9][0-9]{0,17})"\Z')
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*([0-9]{1,6})\s*(?=$|[,;])", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{1,19}\Z")

AnyVersion: TypeAlias = Literal["*"]


def idempotency_key(headers: Headers, need: Need) -> str | None:
    """The `Idempotency-Key`, without quotes.

    Raises:
        MalformedError: required and absent, empty, longer than 255 characters, or not printable ASCII.
    """
    text = headers.get("idempotency-key")
    if text is None:
        if need == "required":
            raise IdempotencyKeyRequiredError
        return None
    match = _KEY.match(text.strip())
    if match is None:
        message = "Idempotency-Key takes 1 to 255 printable ASCII characters, quoted or bare."
        raise MalformedError(message)
    return match[1] or match[2]


class IdempotencyKeyRequiredError(MalformedError):
    """This command creates or moves something, so it must be repeatable (400)."""

    code = "idempotency_key_required"
    title = "Idempotency-Key is required"

    def __init__(self) -> None:
        super().__init__("Send an Idempotency-Key of your own making, and the same one when you try again.")


def expected_version(headers: Headers, need: Need) -> int | AnyVersion | None:
    """The version `If-Match` names; `*` for any that exists; None without the header.

    A tag that is none of ours (weak, or not a version) matches nothing and is returned as -1.

    Raises:
        PreconditionRequiredError: required and absent.
    """
    text = headers.get("if-match")
    if text is None:
        if need == "required":
            message = 'Send If-Match with the ETag you last saw, such as "3".'
            raise PreconditionRequiredError(message)
        return None
    if text.strip() == "*":
        return "*"
    match = _VERSION_TAG.match(text.strip())
    return int(match[1]) if match else -1


def is_dry_run(headers: Headers) -> bool:
    """Whether `ShelfWise-Dry-Run` asks to decide and commit nothing.

    Raises:
        InvalidError: neither true nor false; guessing wrong would sell something.
    """
    text = headers.get("shelfwise-dry-run")
    if text is None:
        return False
    match text.strip().lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise _invalid_header("ShelfWise-Dry-Run", "takes true or false")


def minimum_position(headers: Headers) -> int | None:
    """The position `ShelfWise-Min-Position` asks the answer to include.

    Raises:
        InvalidError: not a whole number of 0 or more.
    """
    lines = headers.getall("shelfwise-min-position", [])
    if not lines:
        return None
    if len(lines) > 1:
        raise _invalid_header("ShelfWise-Min-Position", "is given once: the other one would be left out")
    text = lines[0]
    if not _DIGITS.match(text.strip()) or int(text) > _MAX_POSITION:
        raise _invalid_header("ShelfWise-Min-Position", "takes a position, a whole number of 0 or more")
    return int(text)


def wait_seconds(headers: Headers) -> int:
    """How long `Prefer: wait=` agrees to wait; 0 without it, at most 10. A preference is never an error."""
    text = headers.get("prefer")
    match = _WAIT.search(text) if text is not None else None
    return min(int(match[1]), MAX_WAIT_SECONDS) if match else 0


def if_none_match(headers: Headers) -> str | None:
    """`If-None-Match`, a list that may come in several lines (RFC 9110, section 5.3); None without it."""
    lines = headers.getall("if-none-match", [])
    return ",".join(lines).strip() if lines else None


def matches_etag(tags: str | None, etag: str) -> bool:
    """Whether a list of entity tags names this one, by weak comparison (RFC 9110, section 13.1.2).

    `*` names none: it asks whether there is anything at all.
    """
    opaque = etag.removeprefix("W/")
    return tags is not None and any(tag.strip().removeprefix("W/") == opaque for tag in tags.split(","))


def _invalid_header(name: str, rule: str) -> InvalidError:
    error = FieldError(pointer=name, code="invalid_header", detail=f"{name} {rule}.")
    return InvalidError("A header is not valid.", errors=(error,))
