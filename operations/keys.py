"""API keys of both kinds, by one set of names: a store's, and an operator's, which belongs to no store."""

from uuid import UUID

from operations.access.operator_keys import UnknownOperatorKey, operator_keys, revoke_operator_key
from operations.in_house import InHouse
from operations.store_keys import ListedKey, revoke_store_key, store_keys
from shared_kernel.access.roles import Role


async def listed_keys(house: InHouse, *, slug: str | None = None) -> tuple[ListedKey, ...]:
    """Every key, operators' first; of one store only its own."""
    operators = () if slug is not None else await operator_keys(house.operator_pool)
    shown = tuple(
        ListedKey(
            tenant=None,
            id=one.id,
            principal_id=one.operator_id,
            name=one.name,
            role=Role.OPERATOR.value,
            created_at=one.created_at,
            expires_at=one.expires_at,
            revoked_at=one.revoked_at,
        )
        for one in operators
    )
    return shown + await store_keys(house, slug)


async def end_key(house: InHouse, key_id: UUID, *, actor: str) -> None:
    """End a key of either kind.

    Raises:
        UnknownKey: there is none with this id.
    """
    try:
        await revoke_operator_key(house.operator_pool, key_id, revocations=house.revocations)
    except UnknownOperatorKey:
        await revoke_store_key(house, key_id, actor=actor)
