"""The part of ONIX for Books 3 that we read: short tags to reference names, and its code lists to our words.

Source: EDItEUR, ONIX for Books 3.0 Format Specification, and code lists 5, 17, 45, 55, 58, 150, 163.
"""

_COMPOSITES = (
    "ONIXMessage",
    "Header",
    "Product",
    "ProductIdentifier",
    "DescriptiveDetail",
    "TitleDetail",
    "TitleElement",
    "Contributor",
    "Language",
    "Subject",
    "PublishingDetail",
    "Imprint",
    "Publisher",
    "PublishingDate",
    "ProductSupply",
    "SupplyDetail",
    "Price",
)

REFERENCE_NAME_BY_SHORT_TAG = {name.lower(): name for name in _COMPOSITES} | {
    "ONIXmessage": "ONIXMessage",
    "a001": "RecordReference",
    "a002": "NotificationType",
    "b012": "ProductForm",
    "b029": "Subtitle",
    "b030": "TitlePrefix",
    "b031": "TitleWithoutPrefix",
    "b034": "SequenceNumber",
    "b035": "ContributorRole",
    "b036": "PersonName",
    "b037": "PersonNameInverted",
    "b039": "NamesBeforeKey",
    "b040": "KeyNames",
    "b047": "CorporateName",
    "b067": "SubjectSchemeIdentifier",
    "b069": "SubjectCode",
    "b070": "SubjectHeadingText",
    "b079": "ImprintName",
    "b081": "PublisherName",
    "b202": "TitleType",
    "b203": "TitleText",
    "b221": "ProductIDType",
    "b244": "IDValue",
    "b247": "PrefixToKey",
    "b248": "SuffixToKey",
    "b252": "LanguageCode",
    "b253": "LanguageRole",
    "b291": "PublishingRole",
    "b306": "Date",
    "j151": "PriceAmount",
    "j152": "CurrencyCode",
    "j260": "DateFormat",
    "m184": "DefaultLanguageOfText",
    "m186": "DefaultCurrencyCode",
    "x310": "DefaultPriceType",
    "x409": "TitleElementLevel",
    "x448": "PublishingDateRole",
    "x462": "PriceType",
}

DELETION_NOTICE = "05"
"""List 1: the publisher withdraws the record."""

ISBN_ID_TYPES = ("15", "03", "02")
"""List 5, best first: ISBN-13, GTIN-13, ISBN-10."""

ROLE_BY_CODE = {"A01": "author", "A12": "illustrator", "B01": "editor", "B06": "translator", "E07": "narrator"}
"""List 17; every other code is `other`."""

LIST_PRICE_TYPES = ("02", "04", "42", "01", "03", "41")
"""List 58, best first: recommended, fixed and publisher's retail price, each with tax before each without.

Supplier's net prices and special offers are nobody's list price."""

PUBLICATION_DATE_ROLES = ("01", "11")
"""List 163, best first: of this product, of the work's first edition."""

DATE_CHARACTERS_BY_FORMAT = {"00": 8, "01": 6, "05": 4, "13": 8, "14": 8}
"""List 55: how many leading digits are year, month and day. Weeks, quarters, spans and free text are not read."""

KEYWORDS_SCHEME = "20"
"""List 27: the heading is a list of keywords, separated by semicolons."""


def format_of(product_form: str) -> str:
    """List 150 in our words: a family by its first letter, the two bindings that readers tell apart by name."""
    match product_form:
        case "BB":
            return "hardback"
        case "BC":
            return "paperback"
        case "DG":
            return "ebook"
        case _:
            return {"A": "audio", "E": "ebook"}.get(product_form[:1], "other")
