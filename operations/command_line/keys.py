"""`shelfwise keys`: API keys."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import click
import msgspec

from operations.command_line.invocation import Invocation, command, table
from operations.command_line.stores import store_named
from operations.command_line.tenants import ACTOR
from operations.errors import CommandFailed
from operations.in_house import InHouse, in_house
from operations.servers.installation import Installation
from shared_kernel.access.roles import Role
from shared_kernel.clock import system_clock
from shared_kernel.tenancy import Tenant
from write_side.tenants.administration import issue_key, revoke_key
from write_side.tenants.commands import IssuedKey, IssueKey, RevokedKey

_STORE_ROLES = tuple(role.value for role in Role if role is not Role.OPERATOR)
_DURATION = re.compile(r"([1-9][0-9]{0,4})([hdw])", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 168}
_MAX_LISTED = 1_000
_LIST = """
SELECT t.slug AS tenant, k.key_id AS id, k.principal_id, k.name, k.role, k.created_at, k.expires_at, k.revoked_at
FROM access.api_key k JOIN write.tenant t USING (tenant_id)
WHERE $1::text IS NULL OR t.slug = $1 ORDER BY t.slug, k.created_at, k.key_id LIMIT $2
"""
_STORE_OF = """
SELECT t.tenant_id AS id, t.slug, t.currency, t.timezone FROM access.api_key k JOIN write.tenant t USING (tenant_id)
WHERE k.key_id = $1
"""


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key, shown here and never again."""

    id: UUID
    key: str


class ListedKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key; its text is not."""

    tenant: str
    id: UUID
    principal_id: UUID
    name: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ListedKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys, by store and age."""

    keys: tuple[ListedKey, ...]


class EndedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that opens nothing any more."""

    id: UUID
    revoked: bool


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is not a duration such as 12h, 90d or 4w", param, ctx)
        return timedelta(hours=int(match[1]) * _HOURS[match[2]])


@click.group()
def keys() -> None:
    """Hand out API keys, list and revoke them."""


@keys.command("create")
@click.option("--tenant", "slug", required=True, metavar="SLUG", help="The store.")
@click.option("--role", type=click.Choice(_STORE_ROLES), required=True)
@click.option("--expires", type=_Duration(), metavar="90d", help="Hours (h), days (d) or weeks (w) from now.")
@click.option("--name", default="command line", show_default=True, help="What it is for.")
@click.option("--principal", type=click.UUID, metavar="ID", help="Rotate: another key for this one's owner.")
@command
def create_key(
    invocation: Invocation, *, slug: str, role: str, expires: timedelta | None, name: str, principal: UUID | None
) -> None:
    """Hand out a key. It is shown once; only a keyed hash of it is kept."""
    expires_at = system_clock() + expires if expires is not None else None
    fields = {"name": name, "role": role, "expires_at": expires_at, "principal_id": principal}
    try:
        wanted = msgspec.convert(fields, IssueKey)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"these are not a key's settings: {error}") from error

    async def work(installation: Installation) -> IssuedKey:
        async with in_house(installation) as house:
            store = await store_named(house.operator_pool, slug)
            return await issue_key(house.execution, store, wanted, secret_key=house.secret_key, actor=ACTOR)

    issued = invocation.on_servers(work)
    invocation.answer(CreatedKey(id=issued.id, key=issued.key), issued.key)
    if not invocation.as_json:
        invocation.say(f"{role} of {slug}, id {issued.id}; the key is not kept and cannot be shown again")


@keys.command("list")
@click.option("--tenant", "slug", metavar="SLUG", help="One store's.")
@command
def list_keys(invocation: Invocation, *, slug: str | None) -> None:
    """List keys: who, as what, until when."""

    async def work(installation: Installation) -> Sequence[ListedKey]:
        async with in_house(installation) as house:
            if slug is not None:
                await store_named(house.operator_pool, slug)
            rows = await house.operator_pool.fetch(_LIST, slug, _MAX_LISTED)
            return [ListedKey(**dict(row)) for row in rows]

    listed = invocation.on_servers(work)
    rows = [(one.tenant, one.name, one.role, _standing(one), one.id) for one in listed]
    invocation.answer(ListedKeys(keys=tuple(listed)), table("store", "name", "role", "state", "id", rows=rows))


@keys.command("revoke")
@click.argument("key_id", type=click.UUID, metavar="ID")
@command
def end_key(invocation: Invocation, *, key_id: UUID) -> None:
    """End a key, everywhere and at once; ending it again changes nothing."""

    async def work(installation: Installation) -> RevokedKey:
        async with in_house(installation) as house:
            store = await _store_of(house, key_id)
            return await revoke_key(house.execution, store, key_id, revocations=house.revocations, actor=ACTOR)

    revoked = invocation.on_servers(work)
    invocation.answer(EndedKey(id=revoked.id, revoked=True), f"revoked {revoked.id}")


async def _store_of(house: InHouse, key_id: UUID) -> Tenant:
    row = await house.operator_pool.fetchrow(_STORE_OF, key_id)
    if row is None:
        raise CommandFailed(f"there is no key with the id {key_id}: `shelfwise keys list` shows those there are")
    return Tenant(**dict(row))


def _standing(key: ListedKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    if key.expires_at is None:
        return "valid"
    standing = "expired" if key.expires_at <= system_clock() else "valid until"
    return f"{standing} {key.expires_at:%Y-%m-%d %H:%M}"
