"""Intents of a batch, and what it answers."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from shared_kernel.errors import FieldError

MAX_ITEMS = 100

CommandName = Annotated[
    str, msgspec.Meta(max_length=64, pattern=r"^[a-z][a-z_]*$(?!\n)", description="such as `place_order`")
]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[!#-~]([ !#-~]*[!#-~])?$(?!\n)")]
ItemOutcome: TypeAlias = Literal["done", "replayed", "refused", "undone", "not_tried"]


class BatchItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command as its own route takes it: `payload` is the body, with what the path would name beside it.

    `idempotency_key` is required where the route requires it, and the route would know it again; `if_match` is the
    version, as a number.
    """

    command: CommandName
    payload: dict[str, Any]  # Any: each command's own, held against its type once it is known
    idempotency_key: Key | None = None
    if_match: Annotated[int, msgspec.Meta(ge=0, le=2**31)] | None = None


class RunBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Run commands in their order: each by itself, or all of them in one transaction."""

    items: Annotated[tuple[BatchItem, ...], msgspec.Meta(min_length=1, max_length=MAX_ITEMS)]
    all_or_nothing: bool = False


class ItemProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a command was refused, as its own route would say it."""

    title: str
    detail: str
    code: str
    errors: tuple[FieldError, ...]


class ItemDone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one command.

    `outcome` is `done`, `replayed` (it had been done before, under the same key), `refused`, `undone` (another command
    of the same transaction was refused) or `not_tried` (one before it was). `status` is what its route would answer.
    """

    command: str
    outcome: ItemOutcome
    status: int | None
    position: int | None
    data: dict[str, Any] | None  # Any: the command's own answer
    problem: ItemProblem | None


class BatchDone(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome for each command, in their order. `complete`: every one of them is done."""

    complete: bool
    items: tuple[ItemDone, ...]
