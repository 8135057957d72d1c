"""Fixtures for every room: real servers for the run, fresh databases and an empty Redis for a test."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from tests.round_trips import ROUND_TRIPS, install
from tests.servers import Run, Servers, fresh_databases, make_run_folder, open_run, remove_run

_RUN_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Count round trips; and give the run a folder, once: xdist's workers inherit it through the environment."""
    install()
    if not _is_worker(config):
        config.stash[_RUN_FOLDER] = make_run_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run's folder and databases when every worker has left."""
    folder = config.stash.get(_RUN_FOLDER, None)
    if folder is not None:
        remove_run(folder)


@pytest.fixture(autouse=True)
def nothing_asked_in_a_loop() -> Iterator[None]:
    """No request and no command of any test sends one statement again and again (N+1)."""
    ROUND_TRIPS.begin()
    yield
    repeated = ROUND_TRIPS.repeated()
    assert not repeated, f"sent again and again by one request or command: {repeated}"


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    """This worker's hold on the servers of the run; only tests that need servers start them."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with open_run(worker=worker) as opened:
        yield opened


@pytest.fixture
async def servers(run: Run) -> AsyncIterator[Servers]:
    """A fresh, migrated pair of databases and an empty Redis, for this test alone."""
    _flush(run.redis_url)
    async with fresh_databases(run) as opened:
        yield opened


@pytest.fixture
def redis_url(run: Run) -> str:
    """An empty Redis, for tests that need no database."""
    _flush(run.redis_url)
    return run.redis_url


@pytest.fixture
def reachable_folder() -> Iterator[Path]:
    """A folder that servers of another account can keep files in: pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="shelfwise-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def _flush(url: str) -> None:
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        client.flushdb()


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
