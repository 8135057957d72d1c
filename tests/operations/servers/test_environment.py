"""Servers and secrets of one's own."""

from pathlib import Path

import msgspec
import pytest

from operations.servers.environment import external_urls
from operations.servers.errors import InstallationUnusable
from operations.servers.installation import open_installation
from operations.servers.record import RECORD_FILE

URLS = {
    "SHELFWISE_WRITE_DATABASE_URL": "postgresql://admin:a@write.example/shop",
    "SHELFWISE_READ_DATABASE_URL": "postgresql://admin:b@read.example/shop",
    "SHELFWISE_REDIS_URL": "redis://cache.example/0",
}
SECRETS = {
    "SHELFWISE_SECRET_KEY": "k" * 64,
    "SHELFWISE_PASSWORD_WRITE_API": "w",
    "SHELFWISE_PASSWORD_READ_API": "r",
    "SHELFWISE_PASSWORD_PROJECTOR": "p",
    "SHELFWISE_PASSWORD_REACTIONS": "a",
    "SHELFWISE_PASSWORD_OPERATOR": "o",
}


@pytest.mark.parametrize("missing", sorted(URLS))
def test_two_urls_of_three_are_a_mistake(missing: str) -> None:
    """Half of somebody's servers and half of ours would be nobody's wish; the message says which is missing."""
    with pytest.raises(InstallationUnusable, match=f"without {missing}"):
        external_urls({name: url for name, url in URLS.items() if name != missing})


def test_with_urls_and_secrets_nothing_is_made(tmp_path: Path) -> None:
    """No server, not even the folder."""
    with open_installation(tmp_path / "data", environment=URLS | SECRETS) as installation:
        assert installation.write_database_url == URLS["SHELFWISE_WRITE_DATABASE_URL"]
        assert installation.read_database_url == URLS["SHELFWISE_READ_DATABASE_URL"]
        assert installation.redis_url == URLS["SHELFWISE_REDIS_URL"]
        assert installation.secret_key == "k" * 64
        assert installation.role_passwords.projector == "p"
    assert not (tmp_path / "data").exists()


def test_with_urls_alone_the_folder_keeps_the_secrets(tmp_path: Path) -> None:
    """They are the same the next time."""
    with open_installation(tmp_path / "data", environment=URLS) as first:
        pass
    with open_installation(tmp_path / "data", environment=URLS) as second:
        assert second == first
    assert (tmp_path / "data" / RECORD_FILE).exists()


def test_a_folder_of_an_older_release_gets_the_secrets_that_are_new(tmp_path: Path) -> None:
    """A role that it did not know has a password from now on; the others keep theirs."""
    with open_installation(tmp_path / "data", environment=URLS) as first:
        record = tmp_path / "data" / RECORD_FILE
    older = msgspec.json.decode(record.read_bytes())
    del older["role_passwords"]["reactions"]
    record.write_bytes(msgspec.json.encode(older))
    with open_installation(tmp_path / "data", environment=URLS) as second:
        assert second.role_passwords.projector == first.role_passwords.projector
        assert second.role_passwords.reactions
    with open_installation(tmp_path / "data", environment=URLS) as third:
        assert third == second


def test_one_secret_from_the_environment_replaces_that_one(tmp_path: Path) -> None:
    """The others stay the recorded ones."""
    with open_installation(tmp_path / "data", environment=URLS) as recorded:
        pass
    chosen = URLS | {"SHELFWISE_PASSWORD_OPERATOR": "mine"}
    with open_installation(tmp_path / "data", environment=chosen) as installation:
        assert installation.role_passwords.operator == "mine"
        assert installation.role_passwords.projector == recorded.role_passwords.projector


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("SHELFWISE_WRITE_DATABASE_URL", "mysql://admin:s3cret@write.example/shop"),
        ("SHELFWISE_READ_DATABASE_URL", "postgresql://admin:s3cret@read.example:port/shop"),
        ("SHELFWISE_READ_DATABASE_URL", "postgresql://admin:s3cret@[read.example/shop"),
        ("SHELFWISE_REDIS_URL", "s3cret"),
        ("SHELFWISE_REDIS_URL", "redis://:s3cret@cache.example:port/0"),
    ],
)
def test_what_is_no_url_is_named_and_not_shown(name: str, url: str) -> None:
    """The variable, and what it takes; its value may hold a password."""
    with pytest.raises(InstallationUnusable, match=f"{name} is not a URL such as") as refused:
        external_urls(URLS | {name: url})
    assert "s3cret" not in f"{refused.value}"


@pytest.mark.parametrize(
    "url",
    ["postgres://a:b@[::1]:5432/shop", "postgresql://a:b@one:5432,two:5433/shop", "postgresql:///shop?host=/run/pg"],
)
def test_every_way_to_name_a_database_server_is_taken(url: str) -> None:
    """An IPv6 address, two hosts, a socket."""
    urls = external_urls(URLS | {"SHELFWISE_WRITE_DATABASE_URL": url})
    assert urls is not None
    assert urls.write_database == url


@pytest.mark.parametrize("others", [SECRETS, {}])
def test_a_secret_key_that_no_service_would_take_is_refused(others: dict[str, str], tmp_path: Path) -> None:
    """Keys hashed with it would open nothing."""
    chosen = URLS | others | {"SHELFWISE_SECRET_KEY": "short"}
    with (
        pytest.raises(InstallationUnusable, match="SHELFWISE_SECRET_KEY needs at least 32 characters"),
        open_installation(tmp_path / "data", environment=chosen),
    ):
        pass
