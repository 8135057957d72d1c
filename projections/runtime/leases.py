"""The projectors' leases: the kernel's, over this schema's tables."""

from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.subscription.leases import LEASE_SECONDS, WORKER_SEEN_SECONDS, Lease, LeaseTable, LeaseTimes

__all__ = [
    "LEASES",
    "LEASES_BEHIND",
    "LEASE_SECONDS",
    "WORKER_SEEN_SECONDS",
    "Lease",
    "LeaseTimes",
    "Probe",
    "announce",
]

LEASES = LeaseTable(schema="projection", worker="shelfwise-projector")
LEASES_BEHIND = LeaseTable(schema="projection", worker="shelfwise-projector", line="_behind")
"""Of releases that a newer one has overtaken. What is asked with a lease finds its own table."""

ensure_leases = LEASES.ensure
session_name = LEASES.session_name
heartbeat = LEASES.heartbeat
renew = LEASES.renew
acquire = LEASES.acquire
release = LEASES.release
leave = LEASES.leave
fence = LEASES.fence
fence_all = LEASES.fence_all
fencing = LEASES.fencing
trying = LEASES.trying
note_trying = LEASES.note_trying
trust = LEASES.trust

_ANNOUNCE = """
INSERT INTO projection.worker (worker_id, seen_at, machine, probe_host, probe_port)
VALUES ($1, clock_timestamp(), $2, $3, $4)
ON CONFLICT (worker_id) DO UPDATE
SET machine = excluded.machine, probe_host = excluded.probe_host, probe_port = excluded.probe_port
"""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker can be asked whether it is well."""

    machine: str
    host: str
    port: int


async def announce(connection: Connection, worker_id: UUID, probe: Probe) -> None:
    """Say where this worker's probe is."""
    await connection.execute(_ANNOUNCE, worker_id, probe.machine, probe.host, probe.port)
