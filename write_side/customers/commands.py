"""Intents about customers, and what they answer: never anything personal, since answers are kept for retries."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

_VISIBLE = r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=_VISIBLE)]
Email = Annotated[
    str, msgspec.Meta(min_length=3, max_length=254, pattern=r"^[!#-'*+/-9=?A-Z^-~.-]+@[A-Za-z0-9][A-Za-z0-9.-]*$(?!\n)")
]
Phone = Annotated[str, msgspec.Meta(min_length=3, max_length=40, pattern=r"^[0-9+(). /-]+$(?!\n)")]


class RegisterCustomer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make somebody known to the store. Consent is to be written to for other reasons than their orders."""

    name: Name
    email: Email | None = None
    phone: Phone | None = None
    marketing_consent: bool = False


class ReviseCustomer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch: absent fields stay, null removes (RFC 7396)."""

    name: Name | UnsetType = UNSET
    email: Email | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    marketing_consent: bool | UnsetType = UNSET


class EraseCustomer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Forget who somebody is. There is no way back."""


class CustomerDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The customer as the command left them, without what is personal: `GET /customers/{id}` shows that."""

    id: UUID
    version: int
    status: str
    marketing_consent: bool
