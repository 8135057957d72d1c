"""What execution is told about a command, and what it answers."""

from typing import Literal, TypeVar

import msgspec

from shared_kernel.tenancy import Tenant

DataT = TypeVar("DataT")


class IdempotencyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A client's key and the request it stands for, each as hex SHA-256: neither is stored as it came."""

    key_digest: str
    request_digest: str


class CommandRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything around a command that is not its intent.

    Attributes:
        operation: names the kind of command, such as `place_order`.
        actor: the principal's id, or the name of an internal one such as `import`.
        if_match: the version the client decided upon; `*` for whichever there is.
        if_match_required: the answer is 428 where `if_match` is absent, unless an earlier answer is replayed.
        dry_run: decide, and commit nothing.
    """

    tenant: Tenant
    operation: str
    actor: str
    idempotency: IdempotencyClaim | None = None
    if_match: int | Literal["*"] | None = None
    if_match_required: bool = False
    dry_run: bool = False
    request_id: str | None = None
    traceparent: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler decided: the `data` of the answer, and where its aggregate is now.

    Attributes:
        version: of the aggregate, for `ETag`; None where a command concerns several.
        location: the path of what was created.
    """

    data: msgspec.Struct
    version: int | None
    location: str | None = None
    status: int = 200


class StoredHeaders(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer's headers are made from, as kept with its body."""

    location: str | None
    version: int | None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back to the client, the same when replayed.

    Attributes:
        data: JSON of the outcome's data.
        position: of the tenant's log once this command is in it; None for a dry run.
    """

    status: int
    data: bytes
    position: int | None
    location: str | None = None
    version: int | None = None
    replayed: bool = False

    def read(self, kind: type[DataT]) -> DataT:
        """The data as a struct, for callers inside the process."""
        return msgspec.json.decode(self.data, type=kind)
