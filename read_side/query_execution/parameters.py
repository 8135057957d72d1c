"""Query strings into frozen structs: typed, bounded, nothing unknown, every fault told at once."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, Protocol, TypeVar, Union, cast, get_args, get_origin
from urllib.parse import unquote_plus

import msgspec

from shared_kernel.errors import FieldError, InvalidError, MalformedError

AS_OF = "as_of"
"""The one parameter that routes have in common, and the name of the option that says which have it."""
MAX_PARAMETERS = 64
"""More than any route has; past it a query string is noise."""
MAX_TEXT_LENGTH = 200
"""Characters of one value, unless its type says otherwise: nothing that is searched for is longer."""
_MAX_KINDS = 256
"""Structs of parameters: some for each route."""
_MAX_NAMES = 256
"""Of parameters, as they are spelled in addresses; anybody may make others up, so they are forgotten in turn."""
_MAX_NAME_LENGTH = 64
"""Longer ones are nobody's, and not kept."""
_INT64 = range(-(2**63), 2**63)
_PAIRS_KEY: Final = "shelfwise.query_pairs"
"""Where a query string that was read once is found again."""

ParametersT = TypeVar("ParametersT", bound=msgspec.Struct)


class HasScope(Protocol):
    """All that parsing needs of a request."""

    @property
    def scope(self) -> Any: ...  # noqa: D102, ANN401 - Litestar's scopes are typed dicts of several shapes


class NoParameters(msgspec.Struct, frozen=True, kw_only=True):
    """For routes that take none: an unknown parameter is refused there as well."""


class Faults:
    """Collects what is wrong, to be told all at once."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []

    def add(self, pointer: str, code: str, detail: str) -> None:
        """Note one."""
        self._errors.append(FieldError(pointer=pointer, code=code, detail=detail))

    def raise_any(self) -> None:
        """Raise InvalidError if there is one."""
        if self._errors:
            raise InvalidError("the query string is not valid: see errors", errors=tuple(self._errors))


def parse_parameters(request: HasScope, kind: type[ParametersT]) -> ParametersT:
    """The query string as `kind`, whose fields are the parameters (`rename` them where a name is a keyword).

    A `ValueError` from its `__post_init__` is told as one more fault, with the parameter's name before the colon.

    Raises:
        InvalidError: with every fault, each pointing to its parameter.
    """
    faults = Faults()
    texts = query_texts(request, faults)
    parsed = take_parameters(texts, kind, faults)
    refuse_rest(texts, faults)
    faults.raise_any()
    assert parsed is not None
    return parsed


def has_parameter(request: HasScope, name: str) -> bool:
    """Whether the query string gives a parameter; what is wrong with it or the others, `parse_parameters` tells.

    Raises:
        MalformedError: the query string cannot be read.
    """
    return name in query_texts(request, Faults())


def query_texts(request: HasScope, faults: Faults) -> dict[str, str]:
    """The query string's values by name; a name given twice is a fault."""
    texts: dict[str, str] = {}
    for name, text in query_pairs(request):
        if "\0" in name or "\0" in text:
            raise MalformedError("the query string has a NUL character")
        if name in texts:
            faults.add(name[:MAX_TEXT_LENGTH], "repeated", "give this parameter once")
        texts[name] = text
    if _is_frozen_route(request):
        texts.pop(AS_OF, None)  # read by the execution, which knows the snapshots
    return texts


def query_pairs(request: HasScope) -> tuple[tuple[str, str], ...]:
    """The query string's names and values, in its order.

    Raises:
        MalformedError: it cannot be read.
    """
    scope = request.scope
    pairs = cast("tuple[tuple[str, str], ...] | None", scope.get(_PAIRS_KEY))
    if pairs is None:
        try:
            pairs = _read_pairs(scope["query_string"].decode("ascii"))
        except ValueError as error:  # also UnicodeDecodeError
            raise MalformedError("the query string is not percent-encoded UTF-8, or has too many parameters") from error
        scope[_PAIRS_KEY] = pairs
    return pairs


def _read_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """As `urllib.parse.parse_qsl` reads it; what is not encoded, which is nearly all, is not decoded either.

    Raises:
        ValueError: too many, or not UTF-8 behind the percent signs.
    """
    pieces = text.split("&")
    if len(pieces) > MAX_PARAMETERS:
        raise ValueError("too many parameters")
    pairs = (piece.partition("=") for piece in pieces if piece)
    return tuple(
        (decoded_name(name) if len(name) <= _MAX_NAME_LENGTH else _decoded(name), _decoded(value))
        for name, _, value in pairs
    )


# Clients encode the brackets of `placed_at[lt]`, the same few again and again.
@lru_cache(maxsize=_MAX_NAMES)
def decoded_name(name: str) -> str:
    """A parameter's name as it is meant."""
    return _decoded(name)


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def take_parameters(texts: dict[str, str], kind: type[ParametersT], faults: Faults) -> ParametersT | None:
    """Take the fields of `kind` out of `texts`; None if one of them is at fault."""
    values: dict[str, object] = {}
    complete = True
    for field in _fields(kind):
        text = texts.pop(field.encode_name, None)
        if text is None:
            if field.required:
                faults.add(field.encode_name, "required", "this parameter is required")
                complete = False
            continue
        try:
            values[field.name] = read_value(text, field.type)
        except ValueError as error:
            faults.add(field.encode_name, "invalid", f"{error}")
            complete = False
    if not complete:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        name, _, detail = f"{error}".rpartition(": ")
        faults.add(name, "invalid", detail)
        return None


def refuse_rest(texts: Mapping[str, str], faults: Faults) -> None:
    """What nobody took is unknown."""
    for name in texts:
        faults.add(name[:MAX_TEXT_LENGTH], "unknown_parameter", "this list or query has no such parameter")


def read_value(text: str, kind: Any) -> object:  # noqa: ANN401 - a type expression: class, union, Literal, Annotated
    """One value of a query string as `kind`; times come out in UTC.

    Raises:
        ValueError: in words for the client, without the value.
    """
    kind = _without_none(kind)
    if len(text) > MAX_TEXT_LENGTH and not _says_own_length(kind):
        raise ValueError(f"at most {MAX_TEXT_LENGTH} characters")
    try:
        value: object = msgspec.convert(text, kind)
    except msgspec.ValidationError:
        value = _read_number(text, kind)
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, int) and value not in _INT64:
        raise ValueError("a number of at most 64 bits")
    return value


def _is_frozen_route(request: HasScope) -> bool:
    handler = request.scope.get("route_handler")
    return handler is not None and bool(handler.opt.get(AS_OF))


@lru_cache(maxsize=_MAX_KINDS)
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """A struct's fields; finding them resolves its annotations, which is dear."""
    return msgspec.structs.fields(kind)


def _read_number(text: str, kind: Any) -> object:  # noqa: ANN401 - as above
    """Only numbers and truth values are spelled as text; a lax reading would also take a number for a time."""
    try:
        value: object = msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(_in_words(kind, f"{error}")) from error
    if isinstance(value, bool | int | float) and not isinstance(value, Enum):
        return value
    raise ValueError(_in_words(kind, "a value of another type"))


def _in_words(kind: Any, otherwise: str) -> str:  # noqa: ANN401 - as above
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f"{choice}" for choice in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(f"{choice.value}" for choice in kind)
    names = {datetime: "an RFC 3339 time with its offset", date: "a date such as 2009-12-01", int: "a whole number"}
    if isinstance(kind, type) and kind in names:
        return names[kind]
    return otherwise.replace(", got `str`", "")


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("an RFC 3339 time with its offset")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time between the years 1 and 9999") from error


def _without_none(kind: Any) -> Any:  # noqa: ANN401 - as above
    if get_origin(kind) in {Union, UnionType}:
        return Union[tuple(part for part in get_args(kind) if part is not NoneType)]  # noqa: UP007 - built from a tuple
    return kind


def _says_own_length(kind: Any) -> bool:  # noqa: ANN401 - as above
    return any(isinstance(part, msgspec.Meta) and part.max_length is not None for part in get_args(kind)[1:])
