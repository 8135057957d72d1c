"""A server that speaks S3, moto's, in a process of its own: `python -m tests.s3_server PARENT` prints its port."""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from shared_kernel.process import die_with_parent

KEY_ID: Final = "AKIAARCHIVER"
SECRET: Final = "shown-to-nobody"  # noqa: S105 - it opens nothing
_ANSWER_SECONDS = 30.0
_END_SECONDS = 10.0
_REFUSED = 400
_SOMEBODY = {"Authorization": "AWS somebody:unchecked"}


class S3Server(msgspec.Struct, frozen=True, kw_only=True):
    """One that listens."""

    port: int

    @property
    def variables(self) -> dict[str, str]:
        """What finds it, and is let in."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
        }

    def ask(self, method: str, path: str, content: bytes | None = None) -> bytes:
        """What it answers to a request that needs no true signature."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, f"/{path}", body=content, headers=_SOMEBODY)
            answer = connection.getresponse()
            found = answer.read()
        finally:
            connection.close()
        assert answer.status < _REFUSED, (answer.status, found)
        return found

    def let_in(self, *, requests: int) -> None:
        """So many requests more; those after them must be signed by somebody that it knows, and it knows nobody."""
        self.ask("POST", "moto-api/reset-auth", f"{requests}".encode())


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """One for as long as the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.s3_server", f"{os.getpid()}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        yield S3Server(port=int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate(timeout=_END_SECONDS)


def main() -> None:
    """Serve until killed."""
    die_with_parent(parent_pid=int(sys.argv[1]))
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
