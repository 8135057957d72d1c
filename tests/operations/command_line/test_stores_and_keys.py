"""Stores and keys by the command line."""

import re
from pathlib import Path

import pytest

from shared_kernel.access.api_keys import looks_like_api_key
from tests.command_line import CommandLine, on_servers
from tests.servers import Servers

HARBOUR = (
    "tenants",
    "create",
    "Harbour Books",
    "--slug",
    "harbour",
    "--currency",
    "GBP",
    "--timezone",
    "Europe/London",
)


@pytest.fixture
def shelfwise(servers: Servers, tmp_path: Path) -> CommandLine:
    """The command on this test's own servers."""
    return on_servers(servers, tmp_path)


def test_a_store_is_opened_once_and_listed(shelfwise: CommandLine) -> None:
    """`create` answers with id and slug; the slug is then taken."""
    created = shelfwise.answer(*HARBOUR)
    assert set(created) == {"id", "slug"}
    listed = shelfwise.answer("tenants", "list")["tenants"]
    assert [(one["id"], one["slug"], one["currency"]) for one in listed] == [(created["id"], "harbour", "GBP")]
    again = shelfwise.run(*HARBOUR)
    assert (again.code, again.stdout) == (1, "")
    assert again.stderr == "shelfwise: a store with the slug harbour exists\n"


def test_what_is_no_store_is_refused_in_a_sentence(shelfwise: CommandLine) -> None:
    """Shapes are usage (2); what only the write side knows is a fault (1)."""
    pounds = shelfwise.run("tenants", "create", "N", "--slug", "n-n", "--currency", "pounds", "--timezone", "UTC")
    assert pounds.code == 2
    assert "currency" in pounds.stderr
    zone = shelfwise.run("tenants", "create", "N", "--slug", "n-n", "--currency", "GBP", "--timezone", "Mars/Base")
    assert zone.code == 1
    assert "/timezone: not a time zone of the IANA database" in zone.stderr
    assert "Traceback" not in zone.stderr


def test_a_key_lives_from_create_to_revoke(shelfwise: CommandLine) -> None:
    """It is shown once, listed without its text, and stays revoked."""
    shelfwise.answer(*HARBOUR)
    created = shelfwise.answer("keys", "create", "--tenant", "harbour", "--role", "owner", "--expires", "90d")
    assert set(created) == {"id", "key"}
    assert looks_like_api_key(created["key"])
    before = shelfwise.run("keys", "list", "--tenant", "harbour", "--json")
    assert created["key"] not in before.stdout
    (listed,) = before.answer["keys"]
    assert (listed["id"], listed["role"], listed["revoked_at"]) == (created["id"], "owner", None)
    assert listed["expires_at"] is not None
    assert shelfwise.answer("keys", "revoke", created["id"]) == {"id": created["id"], "revoked": True}
    assert shelfwise.answer("keys", "revoke", created["id"])["revoked"]
    (ended,) = shelfwise.answer("keys", "list")["keys"]
    assert ended["revoked_at"] is not None


def test_a_rotated_key_has_the_same_owner(shelfwise: CommandLine) -> None:
    """`--principal` hands out another key to whom the first belongs."""
    shelfwise.answer(*HARBOUR)
    shelfwise.answer("keys", "create", "--tenant", "harbour", "--role", "clerk")
    (first,) = shelfwise.answer("keys", "list")["keys"]
    shelfwise.answer("keys", "create", "--tenant", "harbour", "--role", "clerk", "--principal", first["principal_id"])
    assert {one["principal_id"] for one in shelfwise.answer("keys", "list")["keys"]} == {first["principal_id"]}


def test_who_does_not_exist_is_named(shelfwise: CommandLine) -> None:
    """An unknown store or key: exit 1, and where to look; with --json the sentence is on stdout too."""
    store = shelfwise.run("keys", "create", "--tenant", "nobody", "--role", "owner", "--json")
    assert store.code == 1
    assert store.answer == {
        "error": "there is no store with the slug 'nobody': `shelfwise tenants list` shows those there are"
    }
    key = shelfwise.run("keys", "revoke", "01999999-9999-7999-8999-999999999999")
    assert key.code == 1
    assert "`shelfwise keys list`" in key.stderr


def test_a_missing_table_says_to_migrate(servers: Servers, tmp_path: Path) -> None:
    """Whoever forgot `migrate` is told so, not shown a traceback."""
    elsewhere = re.sub(r"/[^/]*$", "/postgres", servers.write_admin_url)
    shelfwise = on_servers(servers, tmp_path)
    done = shelfwise.run("tenants", "list", variables={"SHELFWISE_WRITE_DATABASE_URL": elsewhere})
    assert done.code == 1
    assert done.stderr == "shelfwise: the databases are not as this release wants them: run `shelfwise migrate`\n"


def test_an_operators_key_belongs_to_no_store(shelfwise: CommandLine) -> None:
    """It is made without --tenant, listed beside the stores', and ended by the same command."""
    refused = shelfwise.run("keys", "create", "--tenant", "harbour", "--role", "operator")
    assert (refused.code, "leave --tenant out" in refused.stderr) == (2, True)
    missing = shelfwise.run("keys", "create", "--role", "owner")
    assert (missing.code, "name it with --tenant" in missing.stderr) == (2, True)
    created = shelfwise.answer("keys", "create", "--role", "operator")
    assert looks_like_api_key(created["key"])
    assert shelfwise.answer("keys", "revoke", created["id"])["revoked"]
    (listed,) = shelfwise.answer("keys", "list")["keys"]
    assert (listed["id"], listed["tenant"], listed["role"]) == (created["id"], None, "operator")
    assert listed["revoked_at"] is not None
