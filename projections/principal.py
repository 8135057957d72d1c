"""The fold of `principal`."""

from collections.abc import Iterable
from typing import TypeAlias, assert_never, cast, get_args

import msgspec

from projections.fold import AnyRecorded, Part, Projection
from read_side.principal.view import VIEW, PrincipalRow
from shared_kernel.events.tenants import ApiKeyIssued, ApiKeyRevoked
from shared_kernel.views import Key

KeyEvent: TypeAlias = ApiKeyIssued | ApiKeyRevoked


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, Part]]:
    """The key's own row."""
    event = cast("KeyEvent", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((event.key_hash,), event)]


def evolve(row: PrincipalRow | None, event: KeyEvent, _recorded: AnyRecorded) -> PrincipalRow | None:
    """The key after the event; a revoked one stays, so that operators see it was there."""
    match event:
        case ApiKeyIssued():
            return PrincipalRow(
                key_hash=event.key_hash,
                key_id=event.key_id,
                principal_id=event.principal_id,
                role=event.role,
                expires_at=event.expires_at,
                revoked=False,
            )
        case ApiKeyRevoked():
            return None if row is None else msgspec.structs.replace(row, revoked=True)
        case _:
            assert_never(event)


PROJECTION = Projection(view=VIEW, handles=frozenset(get_args(KeyEvent)), touches=touches, evolve=evolve)
