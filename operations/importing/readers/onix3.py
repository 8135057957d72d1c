"""ONIX for Books 3, the trade's own format: reference names or short tags, any namespace, one product in memory.

Documents come from strangers: entities and external references are refused, and a product past its size is not
gathered up in memory.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from operations.importing.readers.catalogue import CatalogueRow, FieldProblem, RejectedRow, UnreadableFile
from operations.importing.readers.onix3_codes import REFERENCE_NAME_BY_SHORT_TAG
from operations.importing.readers.onix3_product import MessageDefaults, row_of

MAX_PRODUCT_BYTES = 16 * 1024 * 1024
"""Real products take some 10 kB, with long descriptions and many prices 1 MB."""

_RELEASE = "3"


class ProductTooLargeError(ValueError):
    """More was read than a product may have, and it has not ended."""


class _MeteredFile:
    """A file that stops giving when one product has taken too much."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._since_last_product_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as the parser asks for them."""
        chunk = self._file.read(size)
        self._since_last_product_bytes += len(chunk)
        if self._since_last_product_bytes > MAX_PRODUCT_BYTES:
            raise ProductTooLargeError
        return chunk

    def product_ended(self) -> None:
        """A new product has the whole measure again."""
        self._since_last_product_bytes = 0


def read_onix3(path: Path, *, currency: str | None = None) -> Iterator[CatalogueRow | RejectedRow]:
    """Every product of the message once; `line` is its ordinal, from 1.

    Args:
        path: the message.
        currency: the store's. With it only prices in it are taken, and a product without one has none; without it the
            best price of the first supply is taken, in its own currency.

    Raises:
        UnreadableFile: where the document is XML but not an ONIX 3 message.
    """
    ordinal = 0
    try:
        with path.open("rb") as file:
            for product, defaults in _products(_MeteredFile(file), name=path.name):
                ordinal += 1
                yield _row(product, ordinal=ordinal, defaults=defaults, currency=currency)
    except ParseError as problem:
        where = "line {}, column {}".format(*problem.position)
        yield RejectedRow(line=ordinal + 1, reason=f"malformed_xml: at {where}, the rest is not read")
    except DefusedXmlException as problem:
        yield RejectedRow(line=ordinal + 1, reason=f"forbidden_xml: {type(problem).__name__}, the rest is not read")
    except ProductTooLargeError:
        yield RejectedRow(line=ordinal + 1, reason=f"too_large: over {MAX_PRODUCT_BYTES} bytes, the rest is not read")


def _row(
    product: Element, *, ordinal: int, defaults: MessageDefaults, currency: str | None
) -> CatalogueRow | RejectedRow:
    try:
        return row_of(product, ordinal=ordinal, defaults=defaults, currency=currency)
    except FieldProblem as problem:
        return problem.rejected(ordinal)


def _products(file: _MeteredFile, *, name: str) -> Iterator[tuple[Element, MessageDefaults]]:
    """The message's children as they end; each is forgotten before the next begins."""
    defaults = MessageDefaults()
    message: Element | None = None
    depth = 0
    for event, element in iterparse(file, events=("start", "end")):
        if event == "start":
            depth += 1
            if message is None:
                message = _checked_message(element, name=name)
            continue
        depth -= 1
        if depth != 1 or message is None:
            continue
        _use_reference_names(element)
        if element.tag == "Header":
            defaults = _defaults(element)
        elif element.tag == "Product":
            yield element, defaults
            file.product_ended()
        message.clear()


def _checked_message(element: Element, *, name: str) -> Element:
    release = element.get("release", "")
    is_release_3 = release.startswith(_RELEASE) or (not release and "/onix/3" in element.tag)
    if _reference_name(element.tag) != "ONIXMessage" or not is_release_3:
        msg = f"{name}: not an ONIX for Books 3 message (root {element.tag!r}, release {release!r})"
        raise UnreadableFile(msg)
    return element


def _use_reference_names(element: Element) -> None:
    for part in element.iter():
        part.tag = _reference_name(part.tag)


def _reference_name(tag: str) -> str:
    local = tag.rsplit("}", 1)[-1]
    return REFERENCE_NAME_BY_SHORT_TAG.get(local, local)


def _defaults(header: Element) -> MessageDefaults:
    return MessageDefaults(
        language=header.findtext("DefaultLanguageOfText", "").strip(),
        currency=header.findtext("DefaultCurrencyCode", "").strip(),
        price_type=header.findtext("DefaultPriceType", "").strip(),
    )
