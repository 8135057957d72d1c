"""Intents about locations and stock, and what they answer."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from shared_kernel.money import Money

MAX_QUANTITY = 10_000
MAX_COUNT = 1_000_000_000

Quantity = Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)]
Delta = Annotated[int, msgspec.Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]


class OpenLocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Open a place that holds stock."""

    name: Text
    kind: Literal["shop", "warehouse"]


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Copies of one edition, and what each of them cost."""

    edition_id: UUID
    quantity: Quantity
    unit_cost: Money


class ReceiveStock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take a supplier's delivery in."""

    location_id: UUID
    lines: Annotated[tuple[ReceiptLine, ...], msgspec.Meta(min_length=1, max_length=200)]


class AdjustStock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Correct the figure, and say why."""

    location_id: UUID
    edition_id: UUID
    delta: Delta
    reason: Text


class CountStock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say how many copies are on the shelf."""

    location_id: UUID
    edition_id: UUID
    counted: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


class TransferLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Copies of one edition."""

    edition_id: UUID
    quantity: Quantity


class TransferStock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move copies that are not promised from one location to another."""

    from_location_id: UUID
    to_location_id: UUID
    lines: Annotated[tuple[TransferLine, ...], msgspec.Meta(min_length=1, max_length=200)]


class LocationDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The location as the command left it."""

    id: UUID
    version: int
    name: str
    kind: str


class StockDecided(msgspec.Struct, frozen=True, kw_only=True):
    """One edition at one location, as the command left it. `version` counts its movements."""

    id: UUID
    version: int
    location_id: UUID
    edition_id: UUID
    on_hand: int
    reserved: int
    available: int
    value: Money


class MovementDecided(msgspec.Struct, frozen=True, kw_only=True):
    """What moved: `id` names the receipt, adjustment, count or transfer; its version is always 1."""

    id: UUID
    version: int
    stock: tuple[StockDecided, ...]
