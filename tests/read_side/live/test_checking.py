"""What ends a stream because of its key: the key itself, or that nobody can say."""

import msgspec
import pytest

from read_side.live.checking import check_of
from read_side.live.stream import StillMay
from read_side.live.topics import TOPICS
from shared_kernel.access.api_keys import new_api_key
from shared_kernel.access.principals import Principal, PrincipalCache
from shared_kernel.access.roles import Role
from shared_kernel.errors import UnavailableError
from shared_kernel.http.authentication import Authentication
from shared_kernel.identifiers import new_id
from shared_kernel.tenancy import Tenant

_SECRET = "a-secret-of-the-installation-under-test"  # noqa: S105 - of this test only
_LONG_SECONDS = 3600.0


class _Keys:
    """A database that knows one key, no key, or is away."""

    def __init__(self) -> None:
        store = Tenant(id=new_id(), slug="small", currency="GBP", timezone="Europe/London")
        self.owner = Principal(id=new_id(), key_id=new_id(), role=Role.OWNER, store=store, expires_at=None)
        self.known: Principal | None = self.owner
        self.is_away = False

    def check(self, *, unchecked_seconds: float) -> StillMay:
        # Nothing is remembered: each look asks.
        cache = PrincipalCache(ttl_seconds=-1.0)
        authentication = Authentication(authenticate=self._look_up, cache=cache, secret_key=_SECRET)
        return check_of(
            authentication,
            f"Bearer {new_api_key()}".encode(),
            principal=self.owner,
            topics=(TOPICS["kpis"],),
            unchecked_seconds=unchecked_seconds,
        )

    async def _look_up(self, _: str) -> Principal | None:
        if self.is_away:
            raise UnavailableError("away")
        return self.known


async def test_a_good_key_ends_nothing_and_a_revoked_one_does() -> None:
    """Its client need not come back."""
    keys = _Keys()
    still_may = keys.check(unchecked_seconds=_LONG_SECONDS)

    assert await still_may() is None
    keys.known = None
    assert await still_may() == "key"


async def test_a_key_that_may_read_less_than_it_did_opens_the_stream_no_more() -> None:
    """Clerks read no figures."""
    keys = _Keys()
    still_may = keys.check(unchecked_seconds=_LONG_SECONDS)

    keys.known = msgspec.structs.replace(keys.owner, role=Role.CLERK)
    assert await still_may() == "key"


@pytest.mark.parametrize(("unchecked_seconds", "ending"), [(_LONG_SECONDS, None), (0.0, "fault")])
async def test_a_database_that_is_away_is_not_the_key_s_fault(unchecked_seconds: float, ending: str | None) -> None:
    """A stream outlives it up to a bound, and then its client is to come back."""
    keys = _Keys()
    still_may = keys.check(unchecked_seconds=unchecked_seconds)

    keys.is_away = True
    assert await still_may() == ending
    keys.is_away = False
    assert await still_may() is None
