"""The rules of stock that can break."""

from shared_kernel.errors import ConflictError, InvalidError


class InsufficientStock(ConflictError):
    """Fewer copies are free than are asked for; names every edition that is short."""

    code = "insufficient_stock"


class CountedBelowReserved(ConflictError):
    """Fewer copies were counted than are promised to orders: cancel or fulfil those first."""

    code = "counted_below_reserved"


class StockTooLarge(ConflictError):
    """More copies, or more value, than a shelf's account can hold."""

    code = "stock_too_large"


class InvalidMovement(InvalidError):
    """A movement names what does not exist, or in the wrong currency."""

    code = "invalid_movement"
