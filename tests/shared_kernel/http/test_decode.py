"""Structs from JSON, and every breach of what they ask for."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec
import pytest

from shared_kernel.errors import InvalidError, MalformedError
from shared_kernel.http.decode import decode_body

T = TypeVar("T")
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=5)]


class Shop(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind", forbid_unknown_fields=True):
    """One of two."""

    name: _Name


class Depot(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind", forbid_unknown_fields=True):
    """The other."""

    size: int


class Box(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Generic."""

    content: T


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """With a rule over two fields."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            message = "low is at most high"
            raise ValueError(message)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """With every sort of nesting."""

    at: datetime | None = None
    place: Shop | Depot | None = None
    names: dict[str, _Name] = {}
    pair: tuple[int, str] = (1, "a")
    spans: list[Range] = []
    box: Box[int] | None = None
    camel: int = msgspec.field(default=0, name="camelCase")


def _found(body: bytes) -> set[tuple[str, str]]:
    with pytest.raises(InvalidError) as caught:
        decode_body(body, Order)
    return {(error.pointer, error.code) for error in caught.value.errors}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"at": "yesterday"}', {("/at", "wrong_format")}),
        (b'{"place": {"kind": "Shop", "name": ""}}', {("/place/name", "wrong_length")}),
        (b'{"place": {"kind": "Shop", "name": "a", "z": 1}}', {("/place/z", "unknown_field")}),
        (b'{"place": {"kind": "Depot"}}', {("/place/size", "missing")}),
        (b'{"place": {"kind": "Pub"}}', {("/place/kind", "not_a_choice")}),
        (b'{"place": {}}', {("/place/kind", "missing")}),
        (b'{"names": {"a/b": "", "c": 3, "d": "ok"}}', {("/names/a~1b", "wrong_length"), ("/names/c", "wrong_type")}),
        (b'{"pair": ["x", 2]}', {("/pair/0", "wrong_type"), ("/pair/1", "wrong_type")}),
        (b'{"pair": [1]}', {("/pair", "wrong_length")}),
        (b'{"spans": [{"low": 1, "high": 2}, {"low": 2, "high": 1}]}', {("/spans/1", "rule_broken")}),
        (b'{"box": {"content": "x"}}', {("/box/content", "wrong_type")}),
        (b'{"camelCase": "x"}', {("/camelCase", "wrong_type")}),
        (b"[]", {("", "wrong_type")}),
        (b"null", {("", "wrong_type")}),
    ],
)
def test_each_breach_has_its_pointer_and_code(body: bytes, expected: set[tuple[str, str]]) -> None:
    """RFC 6901 pointers, also through unions, maps, tuples and generics."""
    assert _found(body) == expected


def test_what_fits_is_decoded() -> None:
    """The breaches' walk and msgspec agree on what is right."""
    body = b'{"at": "2026-01-01T00:00:00Z", "place": {"kind": "Shop", "name": "a"}, "box": {"content": 1}}'
    assert decode_body(body, Order).place == Shop(name="a")


def test_what_is_not_json_is_malformed() -> None:
    """400 and not 422."""
    with pytest.raises(MalformedError):
        decode_body(b"{'a': 1}", Order)
