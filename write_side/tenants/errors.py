"""The rules of stores and keys that can break."""

from shared_kernel.errors import ConflictError, InvalidError, NotFoundError


class SlugTaken(ConflictError):
    """Another store has this slug."""

    code = "slug_taken"


class UnknownApiKey(NotFoundError):
    """The store has no such key."""

    code = "unknown_api_key"


class UnknownPrincipal(NotFoundError):
    """None of the store's keys belongs to this principal."""

    code = "unknown_principal"


class InvalidStore(InvalidError):
    """A field of the store breaks a rule."""

    code = "invalid_store"


class StoreMissing(RuntimeError):
    """A tenant without its row: it was never opened, or the wrong database is asked."""
