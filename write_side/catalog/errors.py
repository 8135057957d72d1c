"""The rules of the catalogue that can break."""

from shared_kernel.errors import ConflictError, InvalidError, NotFoundError


class IsbnTaken(ConflictError):
    """The store sells an edition with this ISBN already."""

    code = "isbn_taken"


class SkuTaken(ConflictError):
    """The store sells an edition with this SKU already."""

    code = "sku_taken"


class EditionAlreadyDiscontinued(ConflictError):
    """It is no longer for sale as it is."""

    code = "edition_already_discontinued"


class EditionNotFound(NotFoundError):
    """The store has no such edition."""

    code = "edition_not_found"


class InvalidEdition(InvalidError):
    """A field of the edition breaks a rule."""

    code = "invalid_edition"
