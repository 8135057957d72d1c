"""The bundled load generator against a server whose every answer is known."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.load.generator import Numbered, UnreadableAnswer, content_length, run
from benchmarks.load.plan import MARK, SHORT_MARK, LoadPlan, request
from benchmarks.load.wrk import lua_script


class _Server(socketserver.ThreadingTCPServer):
    """Answers by a script and remembers what it was asked."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers: list[bytes], *, piecewise: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.piecewise = piecewise
        self.asked: list[bytes] = []


class _Handler(socketserver.StreamRequestHandler):
    """One connection."""

    server: _Server

    def handle(self) -> None:
        """Answer until the client leaves."""
        while head := self._head():
            self.server.asked.append(head)
            answer = self.server.answers[(len(self.server.asked) - 1) % len(self.server.answers)]
            pieces = [answer[:9], answer[9:30], answer[30:]] if self.server.piecewise else [answer]
            try:
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
            except OSError:  # the client has seen enough
                return

    def _head(self) -> bytes:
        lines = b""
        try:
            while (line := self.rfile.readline()) not in {b"\r\n", b""}:
                lines += line
        except OSError:
            return b""
        return lines


@contextmanager
def _serving(answers: list[bytes], *, piecewise: bool = False) -> Iterator[_Server]:
    with _Server(answers, piecewise=piecewise) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(5)


def _answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nserver: test\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def _plan(port: int, *, target: str = "/", connections: int = 2) -> LoadPlan:
    return LoadPlan(
        port=port,
        requests=(request("GET", target),),
        connections=connections,
        seconds=0.2,
        warm_seconds=0.0,
        first_number=40,
    )


def test_good_answers_are_counted_and_timed() -> None:
    """As many as the server gave, less those under way at the end."""
    with _serving([_answer(200, b"x" * 3000)]) as server:
        result = run(_plan(server.server_address[1]))
        assert 0 <= len(server.asked) - result.answered <= 4
    assert result.answered > 10
    assert result.failed == 0
    assert 0 < result.p50_ms <= result.p99_ms < 1000


def test_an_answer_in_pieces_is_one_answer() -> None:
    """Heads and bodies come as the network likes."""
    with _serving([_answer(200, b"{}" * 50)], piecewise=True) as server:
        result = run(_plan(server.server_address[1]))
        assert 0 <= len(server.asked) - result.answered <= 4


def test_errors_are_not_counted_as_speed() -> None:
    """And the first one is shown."""
    with _serving([_answer(200, b"{}"), _answer(503, b"")]) as server:
        result = run(_plan(server.server_address[1], connections=1))
    assert result.answered > 0
    assert result.failed > 0
    assert "503" in result.first_failure


def test_an_answer_without_length_ends_the_run() -> None:
    """Its end could only be guessed."""
    with (
        _serving([b"HTTP/1.1 200 OK\r\nserver: test\r\n\r\n"]) as server,
        pytest.raises(UnreadableAnswer, match="Content-Length"),
    ):
        run(_plan(server.server_address[1]))


def test_every_request_has_a_number_of_its_own() -> None:
    """So that nobody answers an earlier one again."""
    target = f"/{MARK.decode()}?t={SHORT_MARK.decode()}"
    numbered = Numbered(_plan(1, target=target))
    assert [numbered.next().split(b" ")[1] for _ in range(2)] == [
        b"/000000000040?t=000040",
        b"/000000000041?t=000041",
    ]


def test_content_length_is_found_whatever_its_case() -> None:
    """And is not mistaken for part of another name."""
    assert content_length(b"HTTP/1.1 200 OK\r\nX-Content-Length: 9\r\nContent-Length: 17\r\n") == 17


def test_wrk_is_told_the_same_requests() -> None:
    """Byte for byte, and from the same number on."""
    script = lua_script(_plan(1, target="/é?q=1")).decode()
    encoded = "".join(f"\\{byte:03d}" for byte in request("GET", "/é?q=1"))
    assert encoded in script
    assert "number, turn = 40, 0" in script
