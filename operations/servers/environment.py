"""The SHELFWISE_* variables that say: use these servers, these secrets."""

from collections.abc import Mapping

import msgspec

from operations.servers.errors import InstallationUnusable
from operations.servers.record import Record
from shared_kernel.database.roles import RolePasswords

WRITE_DATABASE_VARIABLE = "SHELFWISE_WRITE_DATABASE_URL"
READ_DATABASE_VARIABLE = "SHELFWISE_READ_DATABASE_URL"
REDIS_VARIABLE = "SHELFWISE_REDIS_URL"
SECRET_KEY_VARIABLE = "SHELFWISE_SECRET_KEY"  # noqa: S105 - a name, not a secret
_PASSWORD_VARIABLES = {role: f"SHELFWISE_PASSWORD_{role.upper()}" for role in RolePasswords.__struct_fields__}


class ExternalUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Servers that are not ours to start or end."""

    write_database: str
    read_database: str
    redis: str


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What must be the same in every process of one installation."""

    secret_key: str
    role_passwords: RolePasswords


def external_urls(environment: Mapping[str, str]) -> ExternalUrls | None:
    """The servers that the environment names; None if it names none.

    Raises:
        InstallationUnusable: it names some of the three but not all.
    """
    names = (WRITE_DATABASE_VARIABLE, READ_DATABASE_VARIABLE, REDIS_VARIABLE)
    given = {name: environment[name] for name in names if environment.get(name)}
    if not given:
        return None
    missing = [name for name in names if name not in given]
    if missing:
        message = f"{', '.join(given)} set without {', '.join(missing)}: set all three, or none for embedded servers"
        raise InstallationUnusable(message)
    return ExternalUrls(
        write_database=given[WRITE_DATABASE_VARIABLE],
        read_database=given[READ_DATABASE_VARIABLE],
        redis=given[REDIS_VARIABLE],
    )


def complete_secrets(environment: Mapping[str, str]) -> Secrets | None:
    """The secrets, if the environment has every one of them."""
    names = (SECRET_KEY_VARIABLE, *_PASSWORD_VARIABLES.values())
    if not all(environment.get(name) for name in names):
        return None
    passwords = {role: environment[name] for role, name in _PASSWORD_VARIABLES.items()}
    return Secrets(secret_key=environment[SECRET_KEY_VARIABLE], role_passwords=RolePasswords(**passwords))


def overriding_secrets(environment: Mapping[str, str], recorded: Record) -> Secrets:
    """The recorded secrets, each replaced by the environment's where that has one."""
    passwords = {
        role: environment.get(name) or getattr(recorded.role_passwords, role)
        for role, name in _PASSWORD_VARIABLES.items()
    }
    return Secrets(
        secret_key=environment.get(SECRET_KEY_VARIABLE) or recorded.secret_key,
        role_passwords=RolePasswords(**passwords),
    )
