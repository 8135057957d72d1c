"""The tenant in whose name the current task acts: set by authentication or by a job, demanded by everything else."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

import msgspec


class NoTenantInContextError(RuntimeError):
    """Code that needs a tenant ran outside `acting_for`: a bug, never a client's mistake."""


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A store: what every command and query needs to know of it without asking a database."""

    id: UUID
    slug: str
    currency: str
    timezone: str


_current: ContextVar[Tenant] = ContextVar("tenant")


def current_tenant() -> Tenant:
    """The tenant in context.

    Raises:
        NoTenantInContextError: nobody set one.
    """
    try:
        return _current.get()
    except LookupError:
        message = "no tenant in context: wrap the work in acting_for(tenant)"
        raise NoTenantInContextError(message) from None


@contextmanager
def acting_for(tenant: Tenant) -> Iterator[Tenant]:
    """Make the tenant current for the block, in this task and those it starts."""
    token = _current.set(tenant)
    try:
        yield tenant
    finally:
        _current.reset(token)
