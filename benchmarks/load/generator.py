"""The bundled load generator: `python -m benchmarks.load.generator` reads a plan from stdin and prints a result.

One thread, one epoll, sockets without a framework: it asks several times faster than any server here answers.
"""

import select
import socket
import sys
import time
from array import array
from contextlib import ExitStack

import msgspec

from benchmarks.load.plan import MARK, SHORT_MARK, LoadPlan, LoadResult
from benchmarks.statistics import percentile

_RECEIVE_BYTES = 262_144
_STALL_SECONDS = 10.0
_FIRST_BAD_STATUS = 300
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class UnreadableAnswer(Exception):
    """The server closed a connection, stopped answering, or sent an answer without Content-Length."""


class _Connection:
    """One connection with at most one request under way."""

    __slots__ = ("buffer", "missing", "sent_at", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_STALL_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.missing = 0
        self.sent_at = 0.0

    def receive(self) -> bytes | None:
        """The answer's head once all of it has come, else None."""
        received = self.socket.recv(_RECEIVE_BYTES)
        if not received:
            raise UnreadableAnswer("the server closed a connection")
        if self.missing:
            self.missing -= len(received)
            return None if self.missing else self.buffer
        whole = self.buffer + received
        end = whole.find(_HEAD_END)
        if end < 0:
            self.buffer = whole
            return None
        self.buffer = whole[: end + 2]
        self.missing = end + len(_HEAD_END) + content_length(self.buffer) - len(whole)
        return None if self.missing else self.buffer


def content_length(head: bytes) -> int:
    """The body's length as an answer's head tells it; it ends with the last field's line."""
    lowered = head.lower()
    start = lowered.find(_LENGTH)
    if start < 0:
        raise UnreadableAnswer(f"no Content-Length in {head[:200]!r}")
    start += len(_LENGTH)
    return int(head[start : lowered.index(b"\r\n", start)])


class Numbered:
    """Gives requests in turn, each with a number of its own where it asks for one."""

    def __init__(self, plan: LoadPlan) -> None:
        self._requests = plan.requests
        self._number = plan.first_number
        self._turn = 0

    def next(self) -> bytes:
        """The next request, ready to send."""
        template = self._requests[self._turn]
        self._turn = (self._turn + 1) % len(self._requests)
        if SHORT_MARK in template:
            digits = b"%012d" % self._number
            self._number += 1
            template = template.replace(MARK, digits).replace(SHORT_MARK, digits[-len(SHORT_MARK) :])
        return template


class _Tally:
    """What has been counted."""

    def __init__(self) -> None:
        self.latencies = array("d")
        self.failed = 0
        self.first_failure = ""

    def note(self, head: bytes, seconds: float) -> None:
        if int(head[9:12]) < _FIRST_BAD_STATUS:
            self.latencies.append(seconds)
            return
        self.failed += 1
        self.first_failure = self.first_failure or head.decode(errors="replace")


def run(plan: LoadPlan) -> LoadResult:
    """Ask until the time is over.

    Raises:
        UnreadableAnswer: the server does not keep up HTTP.
    """
    with ExitStack() as stack:
        poll = stack.enter_context(select.epoll())
        connections = [_Connection(plan.port) for _ in range(plan.connections)]
        for one in connections:
            stack.enter_context(one.socket)
        seconds, tally = _measured(plan, poll, {one.socket.fileno(): one for one in connections})
    latencies = tally.latencies or array("d", [0.0])
    return LoadResult(
        seconds=seconds,
        answered=len(tally.latencies),
        failed=tally.failed,
        p50_ms=percentile(latencies, 0.5) * 1000,
        p99_ms=percentile(latencies, 0.99) * 1000,
        first_failure=tally.first_failure,
    )


def _measured(plan: LoadPlan, poll: select.epoll, connections: dict[int, _Connection]) -> tuple[float, _Tally]:
    numbered = Numbered(plan)
    clock = time.perf_counter
    for descriptor, one in connections.items():
        poll.register(descriptor, select.EPOLLIN)
        one.sent_at = clock()
        one.socket.sendall(numbered.next())
    _turn(poll, connections, numbered, until=clock() + plan.warm_seconds)
    began = clock()
    tally = _turn(poll, connections, numbered, until=began + plan.seconds)
    return clock() - began, tally


def _turn(poll: select.epoll, connections: dict[int, _Connection], numbered: Numbered, *, until: float) -> _Tally:
    tally = _Tally()
    clock = time.perf_counter
    now = clock()
    while now < until:
        ready = poll.poll(_STALL_SECONDS)
        if not ready:
            raise UnreadableAnswer(f"no answer for {_STALL_SECONDS:.0f} s")
        for descriptor, _ in ready:
            one = connections[descriptor]
            head = one.receive()
            if head is None:
                continue
            now = clock()
            tally.note(head, now - one.sent_at)
            one.buffer = b""
            one.sent_at = now
            one.socket.sendall(numbered.next())
        now = clock()
    return tally


def main() -> None:
    """The process's entry."""
    plan = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=LoadPlan)
    sys.stdout.buffer.write(msgspec.json.encode(run(plan)))


if __name__ == "__main__":
    main()
