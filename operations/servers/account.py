"""The operating system's account the servers run as: PostgreSQL refuses to run as root."""

import os
import pwd
import stat
from pathlib import Path

import msgspec

from operations.servers.errors import InstallationUnusable

# initdb wants a user that has a passwd entry; Debian has `nobody` where no PostgreSQL is installed.
_CANDIDATES = ("postgres", "nobody")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A user to drop to before a server starts."""

    name: str
    user_id: int
    group_id: int


def server_account() -> Account | None:
    """Who the servers run as: None for an ordinary user, who runs them as himself.

    Raises:
        InstallationUnusable: root, on a machine without any of the accounts to drop to.
    """
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, user_id=entry.pw_uid, group_id=entry.pw_gid)
    message = f"no account to run the servers as: add one of {', '.join(_CANDIDATES)}, or run as an ordinary user"
    raise InstallationUnusable(message)


def can_reach(path: Path, account: Account | None) -> bool:
    """Whether the account may traverse every folder down to `path`, and read and enter `path` itself."""
    if account is None:
        return True
    resolved = path.resolve()
    traversable = all(_allows(folder, account, stat.S_IXOTH) for folder in resolved.parents)
    return traversable and _allows(resolved, account, stat.S_IROTH | stat.S_IXOTH)


def can_traverse(folder: Path, account: Account | None) -> bool:
    """Whether the account may pass through `folder` to something of its own inside."""
    if account is None:
        return True
    resolved = folder.resolve()
    return all(_allows(each, account, stat.S_IXOTH) for each in (resolved, *resolved.parents))


def give_to(account: Account | None, folder: Path) -> None:
    """Make `folder` the account's own, closed to everybody else."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.user_id, account.group_id)


def _allows(path: Path, account: Account, needed: int) -> bool:
    status = path.stat()
    if status.st_uid == account.user_id:
        needed <<= 6
    elif status.st_gid == account.group_id:
        needed <<= 3
    return status.st_mode & needed == needed
