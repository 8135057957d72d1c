"""The rows of store, origins, locations and principals, given events."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from projections import locations, principal, store, store_origins
from read_side.store.view import StoreRow
from shared_kernel.events.inventory import LocationOpened
from shared_kernel.events.tenants import ApiKeyIssued, ApiKeyRevoked, StoreOpened
from tests.builders.catalogue_events import SHOP_ID, TENANT_ID, log_of
from tests.builders.folding import fold

HASH = "ab" * 32
OPENED = StoreOpened(
    name="The Corner",
    slug="corner",
    currency="GBP",
    timezone="Europe/London",
    prices_include_tax=True,
    tax_rates={"zero": 0, "standard": 2000},
    allowed_origins=("https://corner.example", "https://till.corner.example"),
)
ISSUED = ApiKeyIssued(
    key_id=UUID(int=21),
    principal_id=UUID(int=22),
    name="till",
    role="clerk",
    key_hash=HASH,
    expires_at=datetime(2027, 1, 1, tzinfo=UTC),
)


def test_a_store_is_its_tenants_one_row() -> None:
    """Its id is the tenant's."""
    rows = fold(store.PROJECTION, log_of(OPENED))

    assert rows == {
        (TENANT_ID,): StoreRow(
            store_id=TENANT_ID,
            name="The Corner",
            slug="corner",
            currency="GBP",
            timezone="Europe/London",
            prices_include_tax=True,
            tax_rates={"zero": 0, "standard": 2000},
            allowed_origins=("https://corner.example", "https://till.corner.example"),
        )
    }


def test_each_origin_of_a_store_is_a_row() -> None:
    """So a preflight is answered by equality."""
    rows = fold(store_origins.PROJECTION, log_of(OPENED))

    assert set(rows) == {("https://corner.example",), ("https://till.corner.example",)}


def test_a_location_is_shown_as_it_was_opened() -> None:
    """Id, name, kind, version."""
    row = fold(locations.PROJECTION, log_of(LocationOpened(location_id=SHOP_ID, name="High Street", kind="shop")))[
        SHOP_ID,
    ]

    assert (row.id, row.name, row.kind, row.version) == (SHOP_ID, "High Street", "shop", 1)


def test_a_key_opens_until_it_is_revoked() -> None:
    """The row stays and says so."""
    before = fold(principal.PROJECTION, log_of(ISSUED))[HASH,]
    after = fold(principal.PROJECTION, log_of(ISSUED, ApiKeyRevoked(key_id=ISSUED.key_id, key_hash=HASH)))[HASH,]

    assert (before.principal_id, before.key_id, before.role, before.revoked) == (
        UUID(int=22),
        UUID(int=21),
        "clerk",
        False,
    )
    assert before.expires_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert after == msgspec.structs.replace(before, revoked=True)


def test_revoking_a_key_nobody_issued_leaves_no_row() -> None:
    """There is nothing that could open."""
    assert fold(principal.PROJECTION, log_of(ApiKeyRevoked(key_id=UUID(int=1), key_hash=HASH))) == {}
