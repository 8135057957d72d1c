"""What the operators' endpoints are given."""

import msgspec

from operations.api.live import LiveOverview
from operations.api.verifying import VerificationJobs
from operations.in_house import InHouse
from operations.servers.installation import Installation
from shared_kernel.database.pool import Pool


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """The singletons of a running operators' API.

    Attributes:
        house: runs commands of the write side; its operator's pool is the write database's.
        read_pool: the read database, as the operator's role.
        installation: the same servers, for what opens its own connections.
    """

    house: InHouse
    read_pool: Pool
    installation: Installation
    live: LiveOverview
    verifications: VerificationJobs

    @property
    def write_pool(self) -> Pool:
        """The write database, as the operator's role."""
        return self.house.operator_pool
