"""A Valkey of our own: these tests stop it, demote it and keep it busy, which the run's shared one must not suffer."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.servers.account import server_account
from operations.servers.binaries import valkey_program
from operations.servers.valkey import Valkey
from tests.shared_kernel.redis.stoppable import StoppableValkey


@pytest.fixture(scope="session")
def valkey_of_the_session() -> Iterator[StoppableValkey]:
    """One server for the session; a test that stops it starts it again."""
    with tempfile.TemporaryDirectory(prefix="shelfwise-valkey-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        account = server_account()
        server = StoppableValkey(
            Valkey(
                program=valkey_program(account=account, copies=folder / "copies"),
                folder=folder / "data",
                log=folder / "valkey.log",
                account=account,
                password="not-a-secret",  # noqa: S106 - of a server that lives for this test run
            )
        )
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def valkey(valkey_of_the_session: StoppableValkey) -> StoppableValkey:
    """Return it running, whatever the test before has done."""
    valkey_of_the_session.start()
    return valkey_of_the_session
