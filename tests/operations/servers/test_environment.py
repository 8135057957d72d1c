"""Servers and secrets of one's own."""

from pathlib import Path

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


def test_one_secret_from_the_environment_replaces_that_one(tmp_path: Path) -> None:
    """The others stay the recorded ones."""
    with open_installation(tmp_path / "data", environment=URLS) as recorded:
        pass
    chosen = URLS | {"SHELFWISE_PASSWORD_OPERATOR": "mine"}
    with open_installation(tmp_path / "data", environment=chosen) as installation:
        assert installation.role_passwords.operator == "mine"
        assert installation.role_passwords.projector == recorded.role_passwords.projector
