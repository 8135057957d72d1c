"""What is asked, and what came of it."""

import msgspec

MARK = b"@@@@@@@@@@@@"
"""Stands in a request for a number that no other request has, of as many digits; half of it, for its last six."""
SHORT_MARK = b"@@@@@@"


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Whole HTTP/1.1 requests, asked in turn over as many connections, each of which waits for its answer.

    Attributes:
        requests: with `MARK` or `SHORT_MARK` where a number belongs.
        warm_seconds: asked first and not counted.
        first_number: no two plans of a run count from the same.
    """

    port: int
    requests: tuple[bytes, ...]
    connections: int
    seconds: float
    warm_seconds: float
    first_number: int = 0


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """Answers with a status below 300, others, and how long the former took."""

    seconds: float
    answered: int
    failed: int
    p50_ms: float
    p99_ms: float
    first_failure: str = ""

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.answered / self.seconds


def request(method: str, target: str, *, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A whole HTTP/1.1 request."""
    fields = {"Host": "127.0.0.1", **(headers or {})}
    if body:
        fields |= {"Content-Type": "application/json", "Content-Length": f"{len(body)}"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body
