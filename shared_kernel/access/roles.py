"""Roles, and which of them may use a route."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What an API key may do. `operator` is the platform's and belongs to no store."""

    OWNER = "owner"
    MANAGER = "manager"
    CLERK = "clerk"
    ANALYST = "analyst"
    OPERATOR = "operator"


class AccessPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Declared by every route; a route without one stops the boot.

    Attributes:
        name: stable, shown in the OpenAPI document.
        roles: who may; empty with `public` only.
        public: no key is asked for (health, schema).
    """

    name: str
    roles: frozenset[Role] = frozenset()
    public: bool = False


PUBLIC = AccessPolicy(name="public", public=True)
READ_OPERATIONS = AccessPolicy(
    name="read_operations", roles=frozenset({Role.OWNER, Role.MANAGER, Role.CLERK, Role.ANALYST})
)
"""Catalogue, stock, orders: everybody who works in the store."""
READ_FIGURES = AccessPolicy(name="read_figures", roles=frozenset({Role.OWNER, Role.MANAGER, Role.ANALYST}))
"""Revenue, margin, valuation: not the till."""
MANAGE_CATALOGUE = AccessPolicy(name="manage_catalogue", roles=frozenset({Role.OWNER, Role.MANAGER}))
MANAGE_LOCATIONS = AccessPolicy(name="manage_locations", roles=frozenset({Role.OWNER, Role.MANAGER}))
MOVE_STOCK = AccessPolicy(name="move_stock", roles=frozenset({Role.OWNER, Role.MANAGER, Role.CLERK}))
MOVE_MONEY = AccessPolicy(name="move_money", roles=frozenset({Role.OWNER, Role.MANAGER}))
"""Take what is held, and give back what was taken."""
SELL = AccessPolicy(name="sell", roles=frozenset({Role.OWNER, Role.MANAGER, Role.CLERK}))
SERVE_CUSTOMERS = AccessPolicy(name="serve_customers", roles=frozenset({Role.OWNER, Role.MANAGER, Role.CLERK}))
"""Names and addresses: who serves people, not who counts them."""
ERASE_CUSTOMERS = AccessPolicy(name="erase_customers", roles=frozenset({Role.OWNER, Role.MANAGER}))
BATCH = AccessPolicy(name="batch", roles=frozenset({Role.OWNER, Role.MANAGER, Role.CLERK}))
"""Each command of it is held against its own policy."""
MANAGE_WEBHOOKS = AccessPolicy(name="manage_webhooks", roles=frozenset({Role.OWNER}))
"""Who is told of what happens in the store, and by which secret they know us."""
OPERATE = AccessPolicy(name="operate", roles=frozenset({Role.OPERATOR}))
"""The platform's own: no key of a store opens it, and its key opens no store."""
