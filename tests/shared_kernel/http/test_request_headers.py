"""The contract's request headers."""

import pytest
from litestar.datastructures import Headers

from shared_kernel.errors import InvalidError, MalformedError, PreconditionRequiredError
from shared_kernel.http.request_headers import (
    IdempotencyKeyRequiredError,
    expected_version,
    idempotency_key,
    if_none_match,
    is_dry_run,
    matches_etag,
    minimum_position,
    wait_seconds,
)


def _with(name: str, value: str | None) -> Headers:
    return Headers({} if value is None else {name: value})


@pytest.mark.parametrize(
    ("value", "expected"),
    [("abc", "abc"), ('"abc"', "abc"), ('"a b"', "a b"), ("x" * 255, "x" * 255), (None, None)],
)
def test_an_idempotency_key_is_quoted_or_bare(value: str | None, expected: str | None) -> None:
    """At most 255 characters."""
    assert idempotency_key(_with("Idempotency-Key", value), "accepted") == expected


@pytest.mark.parametrize("value", ["", '""', "x" * 256, '"unclosed', "ümlaut", 'a"b"', "a\tb"])
def test_another_idempotency_key_is_malformed(value: str) -> None:
    """It is never cut or guessed: two requests must not meet by accident."""
    with pytest.raises(MalformedError):
        idempotency_key(_with("Idempotency-Key", value), "accepted")


def test_a_required_idempotency_key_is_asked_for() -> None:
    """400 with a code of its own."""
    with pytest.raises(IdempotencyKeyRequiredError):
        idempotency_key(Headers({}), "required")


@pytest.mark.parametrize(
    ("value", "expected"),
    [('"3"', 3), ('"0"', 0), ("*", "*"), (None, None), ('W/"3"', -1), ("3", -1), ('"03"', -1), ('"3", "4"', -1)],
)
def test_if_match_names_a_version(value: str | None, expected: object) -> None:
    """What is none of ours matches nothing (RFC 9110, section 13.1.1: strong comparison)."""
    assert expected_version(_with("If-Match", value), "accepted") == expected


def test_a_required_if_match_is_asked_for() -> None:
    """428."""
    with pytest.raises(PreconditionRequiredError):
        expected_version(Headers({}), "required")


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("TRUE", True), ("false", False), (None, False)])
def test_a_dry_run_is_asked_for_by_name(value: str | None, *, expected: bool) -> None:
    """Absent is false."""
    assert is_dry_run(_with("ShelfWise-Dry-Run", value)) is expected


@pytest.mark.parametrize("value", ["1", "", "yes"])
def test_an_unclear_dry_run_sells_nothing(value: str) -> None:
    """422."""
    with pytest.raises(InvalidError):
        is_dry_run(_with("ShelfWise-Dry-Run", value))


@pytest.mark.parametrize(("value", "expected"), [("0", 0), ("4711", 4711), (str(2**63 - 1), 2**63 - 1), (None, None)])
def test_a_minimum_position_is_a_whole_number(value: str | None, expected: int | None) -> None:
    """Up to what a bigint holds."""
    assert minimum_position(_with("ShelfWise-Min-Position", value)) == expected


@pytest.mark.parametrize("value", ["-1", "1.5", "x", "", str(2**63), "٣", "9" * 1000])
def test_another_minimum_position_is_invalid(value: str) -> None:
    """422, naming the header."""
    with pytest.raises(InvalidError) as caught:
        minimum_position(_with("ShelfWise-Min-Position", value))
    assert caught.value.errors[0].pointer == "ShelfWise-Min-Position"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("wait=2", 2),
        ("respond-async, wait=10", 10),
        ("wait=99", 10),
        ("wait=x", 0),
        ("await=3", 0),
        ("wait = 4; q=1", 4),
        (None, 0),
    ],
)
def test_a_preference_to_wait_is_bounded(value: str | None, expected: int) -> None:
    """RFC 7240; what is not understood is not a preference."""
    assert wait_seconds(_with("Prefer", value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [('W/"a"', True), ('"a"', True), ('"b", W/"a"', True), ("*", False), ('"b"', False), (None, False)],
)
def test_entity_tags_are_compared_weakly(value: str | None, *, expected: bool) -> None:
    """RFC 9110, section 13.1.2; `*` names none of them."""
    assert matches_etag(if_none_match(_with("If-None-Match", value)), 'W/"a"') is expected
