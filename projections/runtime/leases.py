"""The projectors' leases: the kernel's, over this schema's tables."""

from shared_kernel.subscription.leases import LEASE_SECONDS, WORKER_SEEN_SECONDS, Lease, LeaseTable, LeaseTimes

__all__ = ["LEASES", "LEASE_SECONDS", "WORKER_SEEN_SECONDS", "Lease", "LeaseTimes"]

LEASES = LeaseTable(schema="projection", worker="shelfwise-projector")

ensure_leases = LEASES.ensure
session_name = LEASES.session_name
heartbeat = LEASES.heartbeat
renew = LEASES.renew
acquire = LEASES.acquire
release = LEASES.release
leave = LEASES.leave
fence = LEASES.fence
trying = LEASES.trying
note_trying = LEASES.note_trying
trust = LEASES.trust
