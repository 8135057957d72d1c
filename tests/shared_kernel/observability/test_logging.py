"""One JSON object a line, with its context and without secrets."""

import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog

from shared_kernel.observability.logging import configure_logging
from tests.shared_kernel.http.small_store import SmallStore, a_sale

_KEY = "sw_live_" + "a" * 38


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where logs go, for one test."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    captured = io.StringIO()
    configure_logging(level="debug", log_format="json", stream=captured, keeps_loggers=False)
    yield captured
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


async def test_a_request_is_one_line_with_its_context(stream: io.StringIO) -> None:
    """Route template, never path or query."""
    store = SmallStore()
    key = store.key()
    async with store.client(key) as client:
        headers = {"X-Request-Id": "abc"}
        await client.get("/seen", params={"email": "a@b.example", "api_key": key}, headers=headers)
    (line,) = _lines(stream)
    principal = store.principal(key)
    assert line.pop("duration_ms") >= 0
    assert line.pop("at").endswith("Z")
    assert line == {
        "component": "http",
        "event": "request",
        "level": "info",
        "method": "GET",
        "route": "/seen",
        "status": 200,
        "request_id": "abc",
        "tenant": str(principal.tenant.id),
        "actor": str(principal.id),
        "position": 41,
    }


async def test_no_secret_is_logged_whatever_happens(stream: io.StringIO) -> None:
    """Good requests, refused ones, and a bug whose message holds a key and a password."""
    store = SmallStore()
    key = store.key()
    async with store.client(key) as client:
        await client.post("/sales", json=a_sale(note="hunter2"), headers={"Idempotency-Key": "hunter2"})
        await client.post(f"/sales?api_key={key}", content=b'{"hunter2": "\\u0000"}')
        await client.get("/failures/bug", params={"token": "hunter2"})
        await client.get(f"/{key}/hunter2")
    text = stream.getvalue()
    assert "ZeroDivisionError" in text
    assert text.count("unexpected_error") == 1
    for secret in (key, "sw_live_", "hunter2"):
        assert secret not in text


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": "hunter2"},
        {"api_key": "hunter2"},
        {"nested": {"Password": "hunter2", "list": [{"secret_key": "hunter2"}]}},
        {"dsn": "hunter2"},
        {"note": f"key {_KEY} leaked"},
        {"url": "postgresql://role:hunter2@db:5432/x"},
        {"url": "redis://:hunter2@redis:6379/0"},
        {"header": "Bearer hunter2"},
        {"query": "a=1&api_key=hunter2&b=2"},
        {"conninfo": "host=db password=hunter2 dbname=x"},
        {"error": "duplicate key\nDETAIL:  Key (email)=(hunter2) already exists.\nHINT: none"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_secrets_are_redacted_by_key_and_by_look(stream: io.StringIO, fields: dict[str, Any]) -> None:
    """In structlog's lines."""
    structlog.get_logger().info("event", **fields)
    assert "hunter2" not in stream.getvalue()
    assert _KEY not in stream.getvalue()
    assert "[redacted]" in stream.getvalue()
    assert len(_lines(stream)) == 1


def test_what_is_no_secret_stays(stream: io.StringIO) -> None:
    """Redaction that eats everything hides faults."""
    structlog.get_logger().info("event", url="postgresql://db:5432/x", count=3, share=0.5, flag=True, nothing=None)
    (line,) = _lines(stream)
    assert line["url"] == "postgresql://db:5432/x"
    assert (line["count"], line["share"], line["flag"], line["nothing"]) == (3, 0.5, True, None)


def test_the_standard_library_is_routed_and_redacted(stream: io.StringIO) -> None:
    """Also its exceptions; chatty libraries are heard from WARNING on."""
    try:
        int(_KEY)
    except ValueError:
        logging.getLogger("some.library").exception("failed for %s", "postgresql://role:hunter2@db/x")
    logging.getLogger("httpx").info("GET /?api_key=1")
    (line,) = _lines(stream)
    assert line["event"] == "failed for postgresql://[redacted]@db/x"
    assert (line["logger"], line["level"]) == ("some.library", "error")
    assert "ValueError" in line["exception"]
    assert _KEY not in stream.getvalue()


def test_context_is_merged_into_every_line(stream: io.StringIO) -> None:
    """A worker binds what a request binds."""
    with structlog.contextvars.bound_contextvars(request_id="r", tenant="t", actor="a", position=3):
        structlog.get_logger().info("folded")
    structlog.get_logger().info("idle")
    folded, idle = _lines(stream)
    assert (folded["request_id"], folded["tenant"], folded["actor"], folded["position"]) == ("r", "t", "a", 3)
    assert "tenant" not in idle


def test_a_person_gets_readable_lines() -> None:
    """Where the stream is a terminal, or where asked; to a file it is JSON."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        terminal, file = Terminal(), io.StringIO()
        configure_logging(stream=terminal, keeps_loggers=False)
        structlog.get_logger().info("hello", url="redis://:hunter2@x")
        configure_logging(stream=file, keeps_loggers=False)
        structlog.get_logger().info("hello")
    finally:
        structlog.reset_defaults()
        root.handlers, root.level = handlers, level
    assert not terminal.getvalue().startswith("{")
    assert "hello" in terminal.getvalue()
    assert "hunter2" not in terminal.getvalue()
    assert msgspec.json.decode(file.getvalue())["event"] == "hello"


def test_logs_go_to_stderr_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout belongs to programs' answers."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure_logging(log_format="json", keeps_loggers=False)
        structlog.get_logger().info("hello")
    finally:
        structlog.reset_defaults()
        root.handlers, root.level = handlers, level
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err
    assert sys.stdout is not sys.stderr
