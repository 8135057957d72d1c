"""Lines of requests are written in batches, whole and soon, and say no secret."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from shared_kernel.observability.access_log import ACCESS_LOG, AccessLine
from tests.eventually import eventually


@pytest.fixture
def target() -> Iterator[io.BytesIO]:
    """Where batches go, for one test."""
    written = io.BytesIO()
    ACCESS_LOG.batch_into(written)
    yield written
    ACCESS_LOG.batch_into(None)


def _line(**changes: str) -> AccessLine:
    line = AccessLine(
        method="GET", route="/x", status=200, duration_ms=0.5, request_id="r", at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    return msgspec.structs.replace(line, **changes)


async def test_a_line_is_written_soon_without_anybody_asking(target: io.BytesIO) -> None:
    """Also where it stays alone; what is not known is left out."""
    ACCESS_LOG.write(_line())
    assert target.getvalue() == b""

    async def written() -> bytes:
        return target.getvalue()

    await eventually(written)
    (line,) = target.getvalue().splitlines()
    assert set(msgspec.json.decode(line)) == {
        *("method", "route", "status", "duration_ms", "component", "event", "request_id", "level", "at"),
    }


async def test_many_lines_are_not_kept(target: io.BytesIO) -> None:
    """Past a bound they are written at once; each ends its own line, also across batches."""
    for number in range(1_000):
        ACCESS_LOG.write(_line(request_id=f"{number}"))
    ACCESS_LOG.flush()
    found = [msgspec.json.decode(line)["request_id"] for line in target.getvalue().splitlines()]
    assert found == [f"{number}" for number in range(1_000)]


async def test_what_clients_make_up_is_searched_for_secrets(target: io.BytesIO) -> None:
    """A method and a request id can be anything."""
    ACCESS_LOG.write(_line(method="sw_live_" + "a" * 38, request_id="redis://user:hunter2@host"))
    ACCESS_LOG.flush()
    assert b"aaaa" not in target.getvalue()
    assert b"hunter2" not in target.getvalue()
