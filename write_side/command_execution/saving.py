"""What a handler saves last can be part of its command's last statement: one round trip less."""

import re
from functools import lru_cache

import msgspec

_PARAMETER = re.compile(r"\$(\d+)")
_MAX_STATEMENTS = 64
"""As many as handlers have of them, and some more."""


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """Rows to write, as they can be written alone or beside others.

    Attributes:
        parts: common table expressions without their `WITH`, a constant. $1 is the tenant.
        arguments: of $1 and what follows.
    """

    parts: str
    arguments: tuple[object, ...]


@lru_cache(maxsize=_MAX_STATEMENTS)
def alone(parts: str) -> str:
    """The statement that writes these rows and nothing else."""
    return f"WITH {parts} SELECT"  # allowed: built-sql - of constants


@lru_cache(maxsize=_MAX_STATEMENTS)
def before(parts: str, arguments: int, statement: str) -> str:
    """A statement with these rows before its own common table expressions; $1 is the tenant in both.

    Args:
        arguments: how many the parts have; the statement's own follow them.
        statement: that begins with `WITH`.
    """
    moved = _PARAMETER.sub(
        lambda found: found[0] if found[1] == "1" else f"${int(found[1]) + arguments - 1}", statement
    )
    return f"WITH {parts}, {moved.strip().removeprefix('WITH ')}"  # allowed: built-sql - of constants
