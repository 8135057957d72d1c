"""The fold of `store`."""

from collections.abc import Iterable

from projections.fold import AnyRecorded, Part, Projection
from read_side.store.view import VIEW, StoreRow
from shared_kernel.events.tenants import StoreOpened
from shared_kernel.views import Key


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, Part]]:
    """The tenant's one row: the stream of a store has the tenant's id."""
    return [((recorded.tenant_id,), recorded.event)]


def evolve(_row: StoreRow | None, event: StoreOpened, recorded: AnyRecorded) -> StoreRow:
    """The store as it was opened."""
    return StoreRow(
        store_id=recorded.tenant_id,
        name=event.name,
        slug=event.slug,
        currency=event.currency,
        timezone=event.timezone,
        prices_include_tax=event.prices_include_tax,
        tax_rates=event.tax_rates,
        allowed_origins=event.allowed_origins,
    )


PROJECTION = Projection(view=VIEW, handles=frozenset({StoreOpened}), touches=touches, evolve=evolve)
