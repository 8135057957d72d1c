"""JSON into a struct; where it does not fit, every breach at once with its pointer (msgspec stops at the first)."""

import re
from collections.abc import Hashable, Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from shared_kernel.errors import FieldError, InvalidError, MalformedError

T = TypeVar("T")

MAX_ERRORS: Final = 100
"""Past it the list helps nobody, and the answer grows with the attack."""
_MAX_POINTER_LENGTH: Final = 200

_PATH = re.compile(r" - at `(?:key in )?\$(.*)`\Z", re.DOTALL)
_PATH_PART = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_CODES: Final = (
    ("missing required field", "missing"),
    ("contains unknown field", "unknown_field"),
    ("Invalid enum value", "not_a_choice"),
    ("Invalid value", "not_a_choice"),
    ("of length", "wrong_length"),
    ("matching regex", "wrong_format"),
    ("Invalid", "wrong_format"),
    (" >= ", "out_of_range"),
    (" <= ", "out_of_range"),
    (" > ", "out_of_range"),
    (" < ", "out_of_range"),
    ("out of range", "out_of_range"),
    ("Expected", "wrong_type"),
)


def decode_body(body: bytes, kind: type[T]) -> T:
    """A request's body as a struct.

    Args:
        body: already past `reject_unreadable`.
        kind: a struct, or a union of tagged ones; `forbid_unknown_fields` belongs on it.

    Raises:
        MalformedError: not JSON.
        InvalidError: JSON that does not fit, with every breach.
    """
    try:
        return cast("T", _decoder(cast("Hashable", kind)).decode(body))
    except msgspec.ValidationError as error:
        raise InvalidError("The body does not fit.", errors=_every_breach(body, kind, error)) from None
    except msgspec.DecodeError:
        message = "The body is not JSON."
        raise MalformedError(message) from None
    except RecursionError:
        message = "The body nests too deep."
        raise MalformedError(message) from None


def breaches(value: object, kind: Any, pointer: str = "") -> Iterator[FieldError]:  # noqa: ANN401  # any annotation
    """Every way in which a decoded JSON value does not fit a type, depth first.

    Args:
        value: of plain JSON types.
        kind: the annotation it should fit.
        pointer: where it stands, RFC 6901.
    """
    found = False
    for breach in _inner_breaches(value, kind, pointer):
        found = True
        yield breach
    if found:
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        yield field_error(error, pointer)


def field_error(error: msgspec.ValidationError, pointer: str = "") -> FieldError:
    """One msgspec error as ours; its `$.lines[0].quantity` becomes `/lines/0/quantity`."""
    text = str(error)
    match = _PATH.search(text)
    message = text[: match.start()] if match else text
    parts = [name or index for name, index in _PATH_PART.findall(match[1])] if match else []
    code = next((code for fragment, code in _CODES if fragment in message), "rule_broken")
    if code in ("missing", "unknown_field"):
        parts.append(message.rpartition(" field `")[2].rstrip("`"))
    full = pointer + "".join("/" + _escaped(part) for part in parts)
    return FieldError(pointer=full[:_MAX_POINTER_LENGTH], code=code, detail=_detail(code, message))


@cache  # bounded by the number of body types there are
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast("Any", kind))


def _every_breach(body: bytes, kind: Any, first: msgspec.ValidationError) -> tuple[FieldError, ...]:  # noqa: ANN401
    found: list[FieldError] = []
    for breach in breaches(msgspec.json.decode(body), kind):
        found.append(breach)
        if len(found) == MAX_ERRORS:
            break
    # What only shows while decoding is still told: an empty list would say that nothing is wrong.
    return tuple(found) or (field_error(first),)


def _inner_breaches(value: object, kind: Any, pointer: str) -> Iterator[FieldError]:  # noqa: ANN401
    kind = _without_annotations(kind)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        yield from _union_breaches(value, kind, pointer)
    elif isinstance(value, dict) and isinstance(origin or kind, type) and issubclass(origin or kind, msgspec.Struct):
        yield from _struct_breaches(value, kind, pointer)
    elif isinstance(value, list) and origin in (list, tuple, set, frozenset):
        yield from _list_breaches(value, get_args(kind), pointer)
    elif isinstance(value, dict) and origin is dict:
        for key, item in value.items():
            yield from breaches(item, get_args(kind)[1], f"{pointer}/{_escaped(key)}")


def _struct_breaches(value: dict[str, object], kind: Any, pointer: str) -> Iterator[FieldError]:  # noqa: ANN401
    fields: dict[str, FieldInfo] = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    config = (get_origin(kind) or kind).__struct_config__
    for name, field in fields.items():
        here = f"{pointer}/{_escaped(name)}"
        if name in value:
            yield from breaches(value[name], field.type, here)
        elif field.required:
            yield FieldError(pointer=here, code="missing", detail="This field is required.")
    if config.forbid_unknown_fields:
        for name in value.keys() - fields.keys() - {config.tag_field}:
            here = f"{pointer}/{_escaped(name)}"[:_MAX_POINTER_LENGTH]
            yield FieldError(pointer=here, code="unknown_field", detail="There is no such field.")


def _union_breaches(value: object, kind: Any, pointer: str) -> Iterator[FieldError]:  # noqa: ANN401
    members = [member for member in get_args(kind) if member is not NoneType]
    if value is None and len(members) < len(get_args(kind)):
        return
    if len(members) == 1:
        yield from breaches(value, members[0], pointer)
    elif isinstance(value, dict):
        for member in members:
            config = getattr(_without_annotations(member), "__struct_config__", None)
            if config is not None and config.tag_field is not None and value.get(config.tag_field) == config.tag:
                yield from breaches(value, member, pointer)
                return


def _list_breaches(value: list[object], kinds: tuple[Any, ...], pointer: str) -> Iterator[FieldError]:
    one_kind = len(kinds) == 1 or kinds[-1:] == (Ellipsis,)
    for index, item in enumerate(value):
        if one_kind or index < len(kinds):
            yield from breaches(item, kinds[0] if one_kind else kinds[index], f"{pointer}/{index}")


def _without_annotations(kind: Any) -> Any:  # noqa: ANN401  # any annotation
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _detail(code: str, message: str) -> str:
    """The rule in words; the value is never repeated: what a client sends by mistake stays out of answers."""
    match code:
        case "missing":
            return "This field is required."
        case "unknown_field":
            return "There is no such field."
        case "not_a_choice":
            return "This is none of the values allowed here."
        case _:
            return message.removeprefix("Object ") + "."
