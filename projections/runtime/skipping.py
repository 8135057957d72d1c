"""Events that operators have had skipped for a row: every fold of that version leaves them out, also one from scratch.

A skip belongs to a version of a projection and not to a build, so a rebuild, a verification and a frozen build come to
the same rows. Only the lease holder of a tenant's shard records one, and it knows at once; others read them when they
load the tenant.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from uuid import UUID

import msgspec

from projections.fold import AnyRecorded, Part
from projections.runtime.catalog import AnyProjection, Catalog
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.folding import key_name
from shared_kernel.database.pool import Connection
from shared_kernel.views import WHOLE_TENANT, Key


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """One event of one tenant that one row does not show; every row under the key `*`."""

    tenant_id: UUID
    name: str
    version: int
    key: str
    position: int


_OF_TENANTS = """
SELECT tenant_id, name, version, key, position FROM projection.skipped
WHERE tenant_id = ANY($1::uuid[]) AND (name, version) IN (SELECT * FROM unnest($2::text[], $3::int[]))
"""


async def skips_of(
    connection: Connection, catalog: Catalog, tenants: Iterable[UUID], *, name: str | None = None
) -> list[Skip]:
    """What these tenants' rows leave out, of this release's versions; of one projection, where named."""
    subjects = [subject for subject in catalog.subjects if name is None or subject.name == name]
    names, versions = [one.name for one in subjects], [one.version for one in subjects]
    rows = await connection.fetch(_OF_TENANTS, list(tenants), names, versions)
    return [Skip(**dict(row)) for row in rows]


def skipping(projection: AnyProjection, skips: Iterable[Skip]) -> AnyProjection:
    """The same projection, whose events do not touch what leaves them out.

    Args:
        projection: as its author wrote it.
        skips: all of this projection.
    """
    skipped = _by_event(skips)
    touches = projection.touches

    def kept(recorded: AnyRecorded) -> Iterator[tuple[Key, Part]]:
        keys = skipped.get((recorded.tenant_id, recorded.position), ())
        if WHOLE_TENANT in keys:
            return
        for key, part in touches(recorded):
            if not keys or key_name(key) not in keys:
                yield key, part

    return msgspec.structs.replace(projection, touches=kept) if skipped else projection


def _by_event(skips: Iterable[Skip]) -> Mapping[tuple[UUID, int], Collection[str]]:
    """By tenant and position, the names of the keys that leave the event out."""
    found: dict[tuple[UUID, int], set[str]] = defaultdict(set)
    for skip in skips:
        found[skip.tenant_id, skip.position].add(skip.key)
    return dict(found)


class Skips:
    """What a worker knows of its tenants' skips; keeps its catalog's projections honouring them."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._by_tenant: dict[UUID, list[Skip]] = {}

    async def load(self, connection: Connection, tenants: Sequence[UUID]) -> None:
        """What the database says of these tenants replaces what was known of them."""
        found: dict[UUID, list[Skip]] = defaultdict(list)
        for skip in await skips_of(connection, self._catalog, tenants):
            found[skip.tenant_id].append(skip)
        before = [skip for tenant in tenants for skip in self._by_tenant.pop(tenant, [])]
        self._by_tenant |= found
        after = [skip for its in found.values() for skip in its]
        for name in {skip.name for skip in [*before, *after]}:
            known = [skip for its in self._by_tenant.values() for skip in its if skip.name == name]
            self._catalog.adapt(name, partial(skipping, skips=known))

    def unread(self, checkpoints: Iterable[Checkpoint]) -> set[tuple[UUID, int]]:
        """Events (tenant, position) that none of these builds shall see, so that they need not even be legible."""
        if not self._by_tenant:
            return set()
        names: dict[UUID, list[str]] = defaultdict(list)
        for one in checkpoints:
            names[one.tenant_id].append(one.name)
        found: set[tuple[UUID, int]] = set()
        for tenant_id in names.keys() & self._by_tenant.keys():
            skips = self._by_tenant[tenant_id]
            whole = [whole_events(skip for skip in skips if skip.name == name) for name in names[tenant_id]]
            found |= set.intersection(*whole)
        return found


def whole_events(skips: Iterable[Skip]) -> set[tuple[UUID, int]]:
    """Those that every row leaves out."""
    return {(skip.tenant_id, skip.position) for skip in skips if skip.key == WHOLE_TENANT}
