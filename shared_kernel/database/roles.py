"""The database's login roles: one a deployable, none of which owns a table or bypasses row-level security."""

from enum import StrEnum
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec


class DatabaseRole(StrEnum):
    """Who may log in, and nothing else may."""

    WRITE_API = "shelfwise_write_api"
    READ_API = "shelfwise_read_api"
    PROJECTOR = "shelfwise_projector"
    REACTIONS = "shelfwise_reactions"
    OPERATOR = "shelfwise_operator"


class RolePasswords(msgspec.Struct, frozen=True, kw_only=True):
    """One password a login role, so that a leaked one opens one door."""

    write_api: str
    read_api: str
    projector: str
    reactions: str
    operator: str

    def of(self, role: DatabaseRole) -> str:
        """The password of one role."""
        match role:
            case DatabaseRole.WRITE_API:
                return self.write_api
            case DatabaseRole.READ_API:
                return self.read_api
            case DatabaseRole.PROJECTOR:
                return self.projector
            case DatabaseRole.REACTIONS:
                return self.reactions
            case DatabaseRole.OPERATOR:
                return self.operator


def url_as(role: DatabaseRole, url: str, password: str) -> str:
    """The same server and database, logged in as `role`."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role.value}:{quote(password, safe='')}@{host}"))
