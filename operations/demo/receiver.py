"""A receiver of the demo stores' webhooks, on this machine: looks at every signature, and shows what came."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from threading import Lock, Thread

import msgspec

from operations.demo.kept import keep, kept
from operations.errors import CommandFailed
from operations.servers.ports import choose_port

RECEIVER_FILE = "demo-receiver.json"
ONE_IN = 25
"""Of so many messages one is answered 503 the first time, so that a retry is to be seen."""
_SHOWN = 100
_MAX_BODY_BYTES = 1024 * 1024
_TIMEOUT_SECONDS = 10.0
_TOLERANCE_SECONDS = 300
"""Source: Standard Webhooks 1.0, "Verifying webhook authenticity": an old message may be somebody's recording."""
_TRIES = 5
_POLL_SECONDS = 0.1
_LINE = "{at:%H:%M:%S}  {store:<20} {type:<18} {answers:<12} {id}\n"


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What any receiver is given once: where it listens, and each store's secret."""

    port: int
    secrets: dict[str, str]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A message, and what every attempt was answered."""

    id: str
    store: str
    type: str
    at: datetime
    answers: tuple[int, ...]


class Receiver:
    """Known by its port. Used by a thread a message, and by whoever registers it."""

    def __init__(self, folder: Path, configuration: Configuration) -> None:
        self._path = folder / RECEIVER_FILE
        self._configuration = configuration
        self._shown: dict[str, Shown] = {}
        self._count = 0
        self._lock = Lock()

    @property
    def url(self) -> str:
        """Where it shows what came."""
        return f"http://127.0.0.1:{self._configuration.port}/"

    def url_of(self, store: str) -> str:
        """Where a store's messages go."""
        return f"{self.url}{store}"

    def learn(self, store: str, secret: str) -> None:
        """Know from now on what a store signs with."""
        with self._lock:
            secrets = {**self._configuration.secrets, store: secret}
            self._configuration = msgspec.structs.replace(self._configuration, secrets=secrets)
            keep(self._path, self._configuration)

    def receive(self, store: str, headers: Message, body: bytes) -> HTTPStatus:
        """Take a message in, or not."""
        with self._lock:
            secret = self._configuration.secrets.get(store)
            if secret is None or not is_genuine(secret, headers, body, now=time.time()):
                return HTTPStatus.UNAUTHORIZED
            return self._answered(store, headers["webhook-id"], body)

    def lines(self) -> str:
        """What came, the latest first."""
        with self._lock:
            shown = list(self._shown.values())
        head = "Messages with a good signature, the latest first: when, whose, what, how each attempt was answered.\n\n"
        return head + "".join(
            _LINE.format(at=one.at, store=one.store, type=one.type, answers=" ".join(map(str, one.answers)), id=one.id)
            for one in reversed(shown)
        )

    def _answered(self, store: str, message_id: str, body: bytes) -> HTTPStatus:
        earlier = self._shown.pop(message_id, None)
        self._count += earlier is None
        is_unlucky = earlier is None and self._count % ONE_IN == 0
        answer = HTTPStatus.SERVICE_UNAVAILABLE if is_unlucky else HTTPStatus.NO_CONTENT
        self._shown[message_id] = Shown(
            id=message_id,
            store=store,
            type=msgspec.json.decode(body, type=_Envelope).type,
            at=datetime.now(UTC),
            answers=(*(() if earlier is None else earlier.answers), answer.value),
        )
        if len(self._shown) > _SHOWN:
            del self._shown[next(iter(self._shown))]
        return answer


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    type: str


def is_genuine(secret: str, headers: Message, body: bytes, *, now: float) -> bool:
    """Whether whoever knows the secret has sent this, and not long ago.

    Args:
        now: in seconds since 1970.

    Source: Standard Webhooks 1.0, "Verifying webhook authenticity".
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp)) > _TOLERANCE_SECONDS:
        return False
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    wanted = f"v1,{base64.b64encode(digest).decode()}".encode()
    given = headers.get("webhook-signature", "").encode()
    return any(hmac.compare_digest(wanted, one) for one in given.split(b" "))


@contextmanager
def demo_receiver(folder: Path) -> Iterator[Receiver]:
    """A receiver for the block, where the last one was if that port is free.

    Raises:
        CommandFailed: it finds no port.
    """
    known = kept(folder / RECEIVER_FILE, Configuration)
    with _listening(None if known is None else known.port) as server:
        port = int(server.server_address[1])
        secrets = {} if known is None else known.secrets
        receiver = server.receiver = Receiver(folder, Configuration(port=port, secrets=secrets))
        serving = Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="demo receiver", daemon=True)
        serving.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            serving.join()


def _listening(preferred: int | None) -> "_Server":
    for _ in range(_TRIES):
        try:
            return _Server(("127.0.0.1", choose_port(preferred)), _Conversation)
        except OSError:  # somebody was quicker
            continue
    message = "no port is free for the receiver of the demo's webhooks"
    raise CommandFailed(message)


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    receiver: Receiver


class _Conversation(BaseHTTPRequestHandler):
    """One request, in a thread of its own."""

    server: _Server
    timeout = _TIMEOUT_SECONDS

    def do_GET(self) -> None:
        text = self.server.receiver.lines().encode()
        self._answer(HTTPStatus.OK, text)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and int(length) <= _MAX_BODY_BYTES):
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(int(length))
        self._answer(self.server.receiver.receive(self.path.strip("/"), self.headers, body))

    def log_message(self, *_words: object) -> None:
        """Nothing: what came is shown, and logs are for what went wrong."""

    def _answer(self, status: HTTPStatus, text: bytes = b"") -> None:
        self.send_response(status)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", f"{len(text)}")
            self.send_header("Refresh", "2")
        self.end_headers()
        self.wfile.write(text)
