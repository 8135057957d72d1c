"""One query as the execution sees it: whose, of which view, under which digest, and how fresh it must be."""

from hashlib import blake2b
from importlib.metadata import version
from typing import Any, Final
from uuid import UUID

import msgspec

from read_side.query_execution.frozen import AsOf
from shared_kernel.http.content_codings import Codings
from shared_kernel.http.envelope import weak_etag
from shared_kernel.redis.state import ProjectionState
from shared_kernel.views import View

# An answer's bytes are the release's as well: two releases side by side must not tell each other's.
_RELEASE: Final = version("shelfwise").encode()
_DIGEST_BYTES: Final = 20
"""160 bits: two queries of one tenant never meet by chance."""
_GZIP: Final = b"gzip"


def place_of(tenant_id: UUID, view: View[Any]) -> str:  # Any: as below
    """What a view of a tenant is remembered by."""
    return f"{tenant_id.hex} {view.label}"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A query, resolved.

    Attributes:
        tenant_id: whose rows; from authentication and nowhere else.
        key_id: of the API key, which has a limit of its own.
        view: that is read.
        digest: of the resolved query.
        row: `encode_key` of the entity asked for, where its row is written through to Redis.
        cost: units of the limits.
        minimum_position: that the answer must include; None for whatever there is.
        wait_seconds: how long it may take to get there.
        if_none_match: the header, as sent.
        as_of: which snapshot is to be read; None for the live view.
        lasts: whether the same request is the same query until the store's day ends.
        codings: that the client takes; None where nothing is compressed, whatever it takes.
    """

    tenant_id: UUID
    key_id: UUID
    view: View[Any]  # Any: execution does not look at rows
    digest: bytes
    row: str | None
    cost: int
    minimum_position: int | None
    wait_seconds: float
    if_none_match: str | None
    as_of: AsOf | None = None
    lasts: bool = True
    codings: Codings | None = None

    @property
    def takes_gzip(self) -> bool:
        """Whether a large answer is to be compressed."""
        return self.codings is not None and self.codings.gzip

    @property
    def place(self) -> str:
        """The view of the tenant, by which it is remembered what was shown."""
        return place_of(self.tenant_id, self.view)

    @property
    def stored_under(self) -> bytes:
        """What names the answer in Redis: the question, in the coding it was asked in."""
        return self.digest + _GZIP if self.takes_gzip else self.digest

    def etag(self, state: ProjectionState) -> str:
        """Of the answer while the view's rows of this tenant are those of `state`, compressed or not: it is weak."""
        # Snapshots use build numbers again; what tells them apart is where they end.
        revision = f"{state.revision}" if self.as_of is None else f"{state.revision} at {state.position}"
        return weak_etag(self.tenant_id.hex, self.view.label, f"{state.build}", revision, self.digest.hex())

    def is_satisfied_by(self, state: ProjectionState) -> bool:
        """Whether the state includes the position asked for."""
        return self.minimum_position is None or state.position >= self.minimum_position


def query_digest(route: str, view: View[Any], query: msgspec.Struct) -> bytes:  # Any: as above
    """The same for the same question of the same view at the same route in the same release, and for no other.

    Args:
        route: its template: two lists of one view share the type of their queries, and not their rows.
        view: that is read.
        query: resolved.
    """
    kind = type(query)
    name = f"{route} {view.label} {kind.__module__}.{kind.__qualname__} ".encode()
    return blake2b(_RELEASE + b" " + name + msgspec.json.encode(query), digest_size=_DIGEST_BYTES).digest()
