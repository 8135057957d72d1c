"""The SHELFWISE_* variables that say: use these servers, these secrets."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from operations.servers.errors import InstallationUnusable
from operations.servers.record import Record
from shared_kernel.database.roles import RolePasswords
from shared_kernel.redis.address import parse_redis_url
from shared_kernel.settings import SECRET_KEY_MIN_LENGTH

WRITE_DATABASE_VARIABLE = "SHELFWISE_WRITE_DATABASE_URL"
READ_DATABASE_VARIABLE = "SHELFWISE_READ_DATABASE_URL"
REDIS_VARIABLE = "SHELFWISE_REDIS_URL"
SECRET_KEY_VARIABLE = "SHELFWISE_SECRET_KEY"  # noqa: S105 - a name, not a secret
_DATABASE_SCHEMES = ("postgresql", "postgres")
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^:,\[\]]*)(?::[0-9]{1,5})?"
_HOSTS = re.compile(rf"{_HOST}(?:,{_HOST})*", re.ASCII)
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
        InstallationUnusable: it names some of the three but not all, or one is no URL.
    """
    names = (WRITE_DATABASE_VARIABLE, READ_DATABASE_VARIABLE, REDIS_VARIABLE)
    given = {name: environment[name] for name in names if environment.get(name)}
    if not given:
        return None
    missing = [name for name in names if name not in given]
    if missing:
        message = f"{', '.join(given)} set without {', '.join(missing)}: set all three, or none for embedded servers"
        raise InstallationUnusable(message)
    _refuse_unreadable(given)
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
    return Secrets(secret_key=_long_enough(environment[SECRET_KEY_VARIABLE]), role_passwords=RolePasswords(**passwords))


def overriding_secrets(environment: Mapping[str, str], recorded: Record) -> Secrets:
    """The recorded secrets, each replaced by the environment's where that has one."""
    passwords = {
        role: environment.get(name) or getattr(recorded.role_passwords, role)
        for role, name in _PASSWORD_VARIABLES.items()
    }
    return Secrets(
        secret_key=_long_enough(environment.get(SECRET_KEY_VARIABLE) or recorded.secret_key),
        role_passwords=RolePasswords(**passwords),
    )


def _refuse_unreadable(urls: Mapping[str, str]) -> None:
    """Name the variable that is wrong, never its value, which may hold a password."""
    for name in (WRITE_DATABASE_VARIABLE, READ_DATABASE_VARIABLE):
        if not _is_database_url(urls[name]):
            message = f"{name} is not a URL such as postgresql://user:password@host:5432/database"
            raise InstallationUnusable(message)
    try:
        parse_redis_url(urls[REDIS_VARIABLE])
    except ValueError:
        message = f"{REDIS_VARIABLE} is not a URL such as redis://:password@host:6379/0"
        raise InstallationUnusable(message) from None


def _is_database_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    hosts = parts.netloc.rpartition("@")[2]
    return parts.scheme in _DATABASE_SCHEMES and _HOSTS.fullmatch(hosts) is not None


def _long_enough(secret_key: str) -> str:
    # The services hold it against the same bound; a key hashed with a shorter one would open nothing.
    if len(secret_key) < SECRET_KEY_MIN_LENGTH:
        message = f"{SECRET_KEY_VARIABLE} needs at least {SECRET_KEY_MIN_LENGTH} characters"
        raise InstallationUnusable(message)
    return secret_key
