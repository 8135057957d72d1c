"""An installation as the operators' deployable knows it: by the operator's logins alone."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from operations.servers.installation import Installation
from shared_kernel.database.roles import RolePasswords
from shared_kernel.observability.logging import LogFormat


class OperatorLogins(msgspec.Struct, frozen=True, kw_only=True):
    """Where the servers are.

    Attributes:
        write_database_url: logs in as `shelfwise_operator`.
        read_database_url: the same.
        redis_url: of the cache and the messages.
        secret_key: that API keys are hashed with.
    """

    write_database_url: str
    read_database_url: str
    redis_url: str
    secret_key: str
    log_level: str = "info"
    log_format: LogFormat = "auto"


def installation_of(logins: OperatorLogins) -> Installation:
    """The same servers, for what opens connections of its own."""
    # The others' stay unknown here.
    passwords = dict.fromkeys(RolePasswords.__struct_fields__, "")
    passwords["operator"] = unquote(urlsplit(logins.write_database_url).password or "")
    return Installation(
        data_dir=Path(),
        write_database_url=logins.write_database_url,
        read_database_url=logins.read_database_url,
        redis_url=logins.redis_url,
        secret_key=logins.secret_key,
        role_passwords=RolePasswords(**passwords),
    )
