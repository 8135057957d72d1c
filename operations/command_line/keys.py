"""`shelfwise keys`: API keys."""

import re
from datetime import timedelta
from uuid import UUID

import click
import msgspec

from operations.access.audit import Call, audited
from operations.access.operator_keys import NewOperatorKey, issue_operator_key
from operations.command_line.invocation import Invocation, command, table
from operations.command_line.tenants import ACTOR
from operations.in_house import InHouse, in_house
from operations.keys import end_key, listed_keys
from operations.projecting.operator import at_the_command_line
from operations.servers.installation import Installation
from operations.store_keys import ListedKey, issue_store_key
from shared_kernel.access.roles import Role
from shared_kernel.clock import system_clock
from write_side.tenants.commands import IssueKey

_DURATION = re.compile(r"([1-9][0-9]{0,4})([hdw])", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 168}


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key, shown here and never again."""

    id: UUID
    key: str


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
@click.option("--tenant", "slug", metavar="SLUG", help="The store; an operator's key has none.")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--expires", type=_Duration(), metavar="90d", help="Hours (h), days (d) or weeks (w) from now.")
@click.option("--name", default="command line", show_default=True, help="What it is for.")
@click.option("--principal", type=click.UUID, metavar="ID", help="Rotate: another key for this one's owner.")
@command
def create_key(
    invocation: Invocation, *, slug: str | None, role: str, expires: timedelta | None, name: str, principal: UUID | None
) -> None:
    """Hand out a key. It is shown once; only a keyed hash of it is kept."""
    is_operator = role == Role.OPERATOR
    if is_operator and slug is not None:
        raise click.UsageError("an operator's key belongs to the platform: leave --tenant out")
    if not is_operator and slug is None:
        raise click.UsageError(f"a key with the role {role} belongs to a store: name it with --tenant")
    expires_at = system_clock() + expires if expires is not None else None
    fields = {"name": name, "role": role, "expires_at": expires_at}
    try:
        wanted = msgspec.convert({**fields, "principal_id": principal}, IssueKey)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"these are not a key's settings: {error}") from error

    async def work(installation: Installation) -> CreatedKey:
        async with in_house(installation) as house:
            return await _created(house, slug, wanted)

    created = invocation.on_servers(work)
    invocation.answer(created, created.key)
    if not invocation.as_json:
        whose = role if slug is None else f"{role} of {slug}"
        invocation.say(f"{whose}, id {created.id}; the key is not kept and cannot be shown again")


@keys.command("list")
@click.option("--tenant", "slug", metavar="SLUG", help="One store's.")
@command
def list_keys(invocation: Invocation, *, slug: str | None) -> None:
    """List keys: who, as what, until when."""

    async def work(installation: Installation) -> tuple[ListedKey, ...]:
        async with in_house(installation) as house:
            return await listed_keys(house, slug=slug)

    listed = invocation.on_servers(work)
    rows = [(one.tenant, one.name, one.role, _standing(one), one.id) for one in listed]
    invocation.answer(ListedKeys(keys=listed), table("store", "name", "role", "state", "id", rows=rows))


@keys.command("revoke")
@click.argument("key_id", type=click.UUID, metavar="ID")
@command
def revoke_key(invocation: Invocation, *, key_id: UUID) -> None:
    """End a key, everywhere and at once; ending it again changes nothing."""

    async def work(installation: Installation) -> None:
        async with in_house(installation) as house:
            call = Call(actor=at_the_command_line(), action="revoke_key", target={"key": str(key_id)})
            async with audited(house.operator_pool, call):
                await end_key(house, key_id, actor=ACTOR)

    invocation.on_servers(work)
    invocation.answer(EndedKey(id=key_id, revoked=True), f"revoked {key_id}")


async def _created(house: InHouse, slug: str | None, wanted: IssueKey) -> CreatedKey:
    target = {"tenant": slug, "role": wanted.role.value, "name": wanted.name}
    async with audited(house.operator_pool, Call(actor=at_the_command_line(), action="create_key", target=target)):
        if slug is not None:
            issued = await issue_store_key(house, slug, wanted, actor=ACTOR)
            return CreatedKey(id=issued.id, key=issued.key)
        new = NewOperatorKey(name=wanted.name, expires_at=wanted.expires_at, operator_id=wanted.principal_id)
        made = await issue_operator_key(
            house.operator_pool, new, secret_key=house.secret_key, actor=at_the_command_line()
        )
        return CreatedKey(id=made.id, key=made.key)


def _standing(key: ListedKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    if key.expires_at is None:
        return "valid"
    standing = "expired" if key.expires_at <= system_clock() else "valid until"
    return f"{standing} {key.expires_at:%Y-%m-%d %H:%M}"
