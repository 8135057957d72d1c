"""One ONIX 3 product, its tags already reference names, as a row of a catalogue."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import msgspec

from operations.importing.readers import field_rules, onix3_codes
from operations.importing.readers.catalogue import CatalogueRow, FieldProblem
from shared_kernel.isbn import Isbn13

_SKU = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_DISTINCTIVE_TITLE = "01"
_PRODUCT_LEVEL = "01"
_LANGUAGE_OF_TEXT = "01"
_PUBLISHER_ROLE = "01"
_LAST_IN_SEQUENCE = 10**6


class MessageDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What the message's header says once for all products that do not say it themselves."""

    language: str = ""
    currency: str = ""
    price_type: str = ""


class _ListPrice(msgspec.Struct, frozen=True, kw_only=True):
    preference: int
    amount: str
    currency: str


def row_of(product: Element, *, ordinal: int, defaults: MessageDefaults, currency: str | None) -> CatalogueRow:
    """The product as a checked row.

    Raises:
        FieldProblem: where a field breaks a rule, no identifier can be used, or the record is a deletion notice.
    """
    if _text(product, "NotificationType") == onix3_codes.DELETION_NOTICE:
        raise FieldProblem("deletion_notice", field="NotificationType")
    reference = _text(product, "RecordReference")
    isbn13 = _isbn13(product)
    if isbn13 is None and not _SKU.fullmatch(reference):
        raise FieldProblem("no_identifier", field="isbn13")
    price = _list_price(product, defaults=defaults, currency=currency)
    detail = product.find("DescriptiveDetail")
    described = Element("DescriptiveDetail") if detail is None else detail
    return field_rules.checked(
        field_rules.ForeignRow(
            line=ordinal,
            source_id=reference or None,
            isbn13=isbn13,
            sku=reference if isbn13 is None else None,
            title=_title(described),
            contributors=_contributors(described),
            format=onix3_codes.format_of(_text(described, "ProductForm")),
            publisher=_publisher(product),
            published_on=_published_on(product),
            language=_language(described) or defaults.language,
            subjects=_subjects(described),
            list_price_minor=field_rules.price_minor(price.amount, code=price.currency) if price else None,
            currency=price.currency if price else None,
        )
    )


def _text(parent: Element, path: str) -> str:
    found = parent.find(path)
    return "" if found is None else "".join(found.itertext()).strip()


def _isbn13(product: Element) -> Isbn13 | None:
    """The first usable one of the product's ISBNs; a code that is no ISBN at all leaves the record reference as SKU."""
    values = {_text(found, "ProductIDType"): _text(found, "IDValue") for found in product.findall("ProductIdentifier")}
    refusal: FieldProblem | None = None
    for id_type in onix3_codes.ISBN_ID_TYPES:
        if id_type in values:
            try:
                return field_rules.isbn13(values[id_type])
            except FieldProblem as problem:
                refusal = refusal or problem
    if refusal is not None and refusal.reason != "invalid_isbn_prefix":
        raise refusal
    return None


def _title(detail: Element) -> str:
    """Prefix, title and subtitle of the product itself, of its distinctive title before any other."""
    details = sorted(detail.findall("TitleDetail"), key=lambda found: _text(found, "TitleType") != _DISTINCTIVE_TITLE)
    elements = [element for found in details[:1] for element in found.findall("TitleElement")]
    elements.sort(key=lambda element: _text(element, "TitleElementLevel") != _PRODUCT_LEVEL)
    for element in elements:
        title = _text(element, "TitleText") or _prefixed(element)
        if title:
            subtitle = _text(element, "Subtitle")
            return f"{title}: {subtitle}" if subtitle else title
    return ""


def _prefixed(element: Element) -> str:
    prefix, title = _text(element, "TitlePrefix"), _text(element, "TitleWithoutPrefix")
    joint = "" if prefix.endswith(("'", "\u2019")) else " "
    return f"{prefix}{joint}{title}".strip() if title else ""


def _contributors(detail: Element) -> Iterator[tuple[str, str]]:
    for contributor in sorted(detail.findall("Contributor"), key=_sequence):
        for code in contributor.findall("ContributorRole"):
            yield _name(contributor), onix3_codes.ROLE_BY_CODE.get((code.text or "").strip(), "other")


def _sequence(contributor: Element) -> int:
    number = _text(contributor, "SequenceNumber")
    return int(number[:6]) if _DIGITS.fullmatch(number) else _LAST_IN_SEQUENCE


def _name(contributor: Element) -> str:
    parts = ("NamesBeforeKey", "PrefixToKey", "KeyNames", "SuffixToKey")
    return (
        _text(contributor, "PersonName")
        or " ".join(filter(None, (_text(contributor, part) for part in parts)))
        or " ".join(reversed([part.strip() for part in _text(contributor, "PersonNameInverted").split(",", 1)]))
        or _text(contributor, "CorporateName")
    )


def _publisher(product: Element) -> str:
    publishers = sorted(
        product.findall("PublishingDetail/Publisher"),
        key=lambda publisher: _text(publisher, "PublishingRole") != _PUBLISHER_ROLE,
    )
    names = (_text(publisher, "PublisherName") for publisher in publishers)
    return next(filter(None, names), "") or _text(product, "PublishingDetail/Imprint/ImprintName")


def _published_on(product: Element) -> str:
    dates = product.findall("PublishingDetail/PublishingDate")
    for role in onix3_codes.PUBLICATION_DATE_ROLES:
        for date in dates:
            if _text(date, "PublishingDateRole") == role:
                return _reduced_date(date)
    return ""


def _reduced_date(publishing_date: Element) -> str:
    """`20190601` is `2019-06-01`; a format that is no year, month and day is left out."""
    date = publishing_date.find("Date")
    if date is None:
        return ""
    value = "".join(date.itertext()).strip()
    date_format = date.get("dateformat") or _text(publishing_date, "DateFormat") or "00"
    characters = onix3_codes.DATE_CHARACTERS_BY_FORMAT.get(date_format)
    if characters is None:
        return ""
    digits = value[:characters]
    if len(digits) < characters or not _DIGITS.fullmatch(digits):
        raise FieldProblem("invalid_date", field="published_on")
    return "-".join(filter(None, (digits[:4], digits[4:6], digits[6:8])))


def _language(detail: Element) -> str:
    for language in detail.findall("Language"):
        if _text(language, "LanguageRole") == _LANGUAGE_OF_TEXT:
            return _text(language, "LanguageCode")
    return ""


def _subjects(detail: Element) -> Iterator[str]:
    for subject in detail.findall("Subject"):
        heading = _text(subject, "SubjectHeadingText")
        if heading and _text(subject, "SubjectSchemeIdentifier") == onix3_codes.KEYWORDS_SCHEME:
            yield from heading.split(";")
        else:
            yield heading or _text(subject, "SubjectCode")


def _list_price(product: Element, *, defaults: MessageDefaults, currency: str | None) -> _ListPrice | None:
    """The best of the product's retail prices, in the store's currency where one is asked for."""
    found = []
    for price in product.findall("ProductSupply/SupplyDetail/Price"):
        price_type = _text(price, "PriceType") or defaults.price_type
        code = _text(price, "CurrencyCode") or defaults.currency
        amount = _text(price, "PriceAmount")
        if amount and price_type in onix3_codes.LIST_PRICE_TYPES and currency in {None, code}:
            preference = onix3_codes.LIST_PRICE_TYPES.index(price_type)
            found.append(_ListPrice(preference=preference, amount=amount, currency=code))
    return min(found, key=lambda price: price.preference, default=None)
