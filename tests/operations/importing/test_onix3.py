"""The ONIX reader: the real sample, reference names and short tags, field by field."""

from pathlib import Path

import pytest

from operations.importing.readers.catalogue import CatalogueRow, RejectedRow
from operations.importing.readers.onix3 import read_onix3
from operations.importing.readers.onix3_codes import format_of
from tests.operations.importing.onix_messages import identifier, message, product, read
from tests.operations.importing.real_input import real_input

_REFERENCE = """<Product><RecordReference>ref.1</RecordReference><NotificationType>03</NotificationType>
<ProductIdentifier><ProductIDType>15</ProductIDType><IDValue>978-0-306-40615-7</IDValue></ProductIdentifier>
<DescriptiveDetail><ProductForm>BB</ProductForm>
<Collection><TitleDetail><TitleType>01</TitleType><TitleElement><TitleElementLevel>02</TitleElementLevel>
<TitleText>A Series</TitleText></TitleElement></TitleDetail></Collection>
<TitleDetail><TitleType>01</TitleType><TitleElement><TitleElementLevel>01</TitleElementLevel>
<TitlePrefix>The</TitlePrefix><TitleWithoutPrefix>Odyssey</TitleWithoutPrefix><Subtitle>A
 Journey</Subtitle></TitleElement></TitleDetail>
<Contributor><SequenceNumber>2</SequenceNumber><ContributorRole>B06</ContributorRole>
<PersonNameInverted>Butler, Samuel</PersonNameInverted></Contributor>
<Contributor><SequenceNumber>1</SequenceNumber><ContributorRole>A01</ContributorRole><PersonName>Homer</PersonName>
</Contributor>
<Contributor><SequenceNumber>3</SequenceNumber><ContributorRole>B01</ContributorRole>
<ContributorRole>A19</ContributorRole>
<NamesBeforeKey>Ada</NamesBeforeKey><KeyNames>Editor</KeyNames></Contributor>
<Language><LanguageRole>02</LanguageRole><LanguageCode>grc</LanguageCode></Language>
<Language><LanguageRole>01</LanguageRole><LanguageCode>eng</LanguageCode></Language>
<Subject><SubjectSchemeIdentifier>20</SubjectSchemeIdentifier>
<SubjectHeadingText>sea; gods</SubjectHeadingText></Subject>
<Subject><SubjectSchemeIdentifier>93</SubjectSchemeIdentifier><SubjectCode>DCA</SubjectCode></Subject>
</DescriptiveDetail>
<PublishingDetail><Imprint><ImprintName>Imprint</ImprintName></Imprint>
<Publisher><PublishingRole>01</PublishingRole><PublisherName>House</PublisherName></Publisher>
<PublishingDate><PublishingDateRole>01</PublishingDateRole><Date dateformat="01">190006</Date></PublishingDate>
</PublishingDetail>
<ProductSupply><SupplyDetail>
<Price><PriceType>01</PriceType><PriceAmount>8.00</PriceAmount><CurrencyCode>GBP</CurrencyCode></Price>
<Price><PriceType>05</PriceType><PriceAmount>4.00</PriceAmount><CurrencyCode>GBP</CurrencyCode></Price>
<Price><PriceType>02</PriceType><PriceAmount>9.99</PriceAmount><CurrencyCode>GBP</CurrencyCode></Price>
<Price><PriceType>02</PriceType><PriceAmount>1500</PriceAmount><CurrencyCode>JPY</CurrencyCode></Price>
</SupplyDetail></ProductSupply></Product>"""

_SHORT = """<product><a001>ref.1</a001><a002>03</a002>
<productidentifier><b221>15</b221><b244>9780306406157</b244></productidentifier>
<descriptivedetail><b012>BB</b012>
<titledetail><b202>01</b202><titleelement><x409>01</x409><b030>The</b030><b031>Odyssey</b031>
<b029>A Journey</b029></titleelement></titledetail>
<contributor><b034>2</b034><b035>B06</b035><b037>Butler, Samuel</b037></contributor>
<contributor><b034>1</b034><b035>A01</b035><b036>Homer</b036></contributor>
<contributor><b034>3</b034><b035>B01</b035><b035>A19</b035><b039>Ada</b039><b040>Editor</b040></contributor>
<language><b253>01</b253><b252>eng</b252></language>
<subject><b067>20</b067><b070>sea; gods</b070></subject><subject><b067>93</b067><b069>DCA</b069></subject>
</descriptivedetail>
<publishingdetail><publisher><b291>01</b291><b081>House</b081></publisher>
<publishingdate><x448>01</x448><j260>01</j260><b306>190006</b306></publishingdate></publishingdetail>
<productsupply><supplydetail><price><x462>02</x462><j151>9.99</j151><j152>GBP</j152></price>
<price><x462>02</x462><j151>1500</j151><j152>JPY</j152></price></supplydetail></productsupply></product>"""


def _one(folder: Path, sent: str, *, header: str = "", currency: str | None = None) -> CatalogueRow:
    (row,) = read(folder, message(sent, header=header), currency=currency)
    assert isinstance(row, CatalogueRow), row
    return row


def _refusal(folder: Path, sent: str) -> RejectedRow:
    refused, taken = read(folder, message(sent, product()))
    assert isinstance(refused, RejectedRow), refused
    assert isinstance(taken, CatalogueRow)
    return refused


def test_the_real_sample() -> None:
    """21 products of six publishers; one of them is sent twice, and both come out."""
    rows = [row for row in read_onix3(real_input("onix/onix3-multiple.xml")) if isinstance(row, CatalogueRow)]
    assert [row.line for row in rows] == list(range(1, 22))
    assert len({row.isbn13 for row in rows}) == 20
    assert (rows[0].title, rows[0].list_price_minor, rows[0].currency) == (
        "147 Things: My user's guide to the universe, from black holes to belly buttons",
        1999,
        "AUD",
    )
    assert rows[1].contributors[1].role == "illustrator"
    assert rows[8].title == "The Forgotten: A John Puller Novel 2"
    assert {row.format for row in rows} == {"paperback", "hardback", "other"}


def test_the_real_sample_in_another_currency() -> None:
    """A product without a price in the store's currency has none, for the default to fill."""
    path = real_input("onix/onix3-multiple.xml")
    zealand = [row for row in read_onix3(path, currency="NZD") if isinstance(row, CatalogueRow)]
    assert {row.currency for row in zealand} == {"NZD", None}
    assert all(
        row.list_price_minor is None for row in read_onix3(path, currency="GBP") if isinstance(row, CatalogueRow)
    )


@pytest.mark.parametrize(
    "text",
    [
        message(_REFERENCE),
        message(_REFERENCE).replace("<ONIXMessage", '<ONIXMessage xmlns="http://ns.editeur.org/onix/3.0/reference"'),
        f'<ONIXmessage release="3.0">{_SHORT}</ONIXmessage>',
        f'<ONIXmessage xmlns="http://ns.editeur.org/onix/3.0/short">{_SHORT}</ONIXmessage>',
        f'<o:ONIXmessage release="3.1" xmlns:o="urn:o">{_SHORT}</o:ONIXmessage>',
    ],
)
def test_reference_names_and_short_tags_say_the_same(tmp_path: Path, text: str) -> None:
    """In any namespace, told or not."""
    (row,) = read(tmp_path, text)
    assert isinstance(row, CatalogueRow)
    assert (row.line, row.source_id, row.isbn13, row.sku) == (1, "ref.1", "9780306406157", None)
    assert (row.title, row.format, row.publisher) == ("The Odyssey: A Journey", "hardback", "House")
    assert [(c.name, c.role) for c in row.contributors] == [
        ("Homer", "author"),
        ("Samuel Butler", "translator"),
        ("Ada Editor", "editor"),
        ("Ada Editor", "other"),
    ]
    assert (row.published_on, row.language, row.subjects) == ("1900-06", "eng", ("sea", "gods", "DCA"))
    assert (row.list_price_minor, row.currency) == (999, "GBP")


def test_the_stores_currency_is_preferred(tmp_path: Path) -> None:
    """With its own minor unit."""
    row = _one(tmp_path, _REFERENCE, currency="JPY")
    assert (row.list_price_minor, row.currency) == (1500, "JPY")


def test_the_header_fills_what_products_leave_out(tmp_path: Path) -> None:
    """Language, currency and price type."""
    header = (
        "<DefaultLanguageOfText>fre</DefaultLanguageOfText><DefaultPriceType>04</DefaultPriceType>"
        "<DefaultCurrencyCode>EUR</DefaultCurrencyCode>"
    )
    price = "<ProductSupply><SupplyDetail><Price><PriceAmount>7.5</PriceAmount></Price></SupplyDetail></ProductSupply>"
    row = _one(tmp_path, product(rest=price), header=header)
    assert (row.language, row.list_price_minor, row.currency) == ("fre", 750, "EUR")


@pytest.mark.parametrize(
    ("ids", "isbn13", "sku"),
    [
        (identifier("02", "0306406152"), "9780306406157", None),
        (identifier("03", "9780306406157"), "9780306406157", None),
        (identifier("15", "9780306406158") + identifier("02", "0306406152"), "9780306406157", None),
        (identifier("03", "4006381333931"), None, "ref-1"),
        (identifier("01", "house-number"), None, "ref-1"),
    ],
)
def test_identifiers(tmp_path: Path, ids: str, isbn13: str | None, sku: str | None) -> None:
    """The best usable ISBN; a product that never had one goes by its record reference."""
    row = _one(tmp_path, product(ids=ids))
    assert (row.isbn13, row.sku) == (isbn13, sku)


@pytest.mark.parametrize(
    ("date", "published_on"),
    [
        ('<Date dateformat="00">20190601</Date>', "2019-06-01"),
        ("<Date>20190601</Date>", "2019-06-01"),
        ('<Date dateformat="05">1813</Date>', "1813"),
        ('<Date dateformat="14">20190601T0900Z</Date>', "2019-06-01"),
        ('<Date dateformat="12">Spring 1813</Date>', None),
    ],
)
def test_dates(tmp_path: Path, date: str, published_on: str | None) -> None:
    """As precise as they are sent."""
    dated = f"<PublishingDate><PublishingDateRole>01</PublishingDateRole>{date}</PublishingDate>"
    row = _one(tmp_path, product(rest=f"<PublishingDetail>{dated}</PublishingDetail>"))
    assert row.published_on == published_on


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ("BB", "hardback"),
        ("BC", "paperback"),
        ("DG", "ebook"),
        ("EA", "ebook"),
        ("ED", "ebook"),
        ("AJ", "audio"),
        ("AC", "audio"),
        ("BH", "other"),
        ("PD", "other"),
        ("", "other"),
    ],
)
def test_forms(form: str, word: str) -> None:
    """List 150, in the words that a shelf knows."""
    assert format_of(form) == word


def test_a_french_prefix_keeps_its_apostrophe(tmp_path: Path) -> None:
    """No space after it."""
    element = "<TitlePrefix>L\u2019</TitlePrefix><TitleWithoutPrefix>\u00c9tranger</TitleWithoutPrefix>"
    detail = f"<TitleDetail><TitleElement>{element}</TitleElement></TitleDetail>"
    assert _one(tmp_path, product(detail=detail)).title == "L\u2019\u00c9tranger"


@pytest.mark.parametrize(
    ("sent", "field", "reason"),
    [
        (product(ids=identifier("15", "9780306406158")), "isbn13", "invalid_isbn_check_digit"),
        (product(detail="<ProductForm>BC</ProductForm>"), "title", "missing"),
        ("<Product/>", "isbn13", "no_identifier"),
        (
            product(ids="<NotificationType>05</NotificationType>" + identifier("15", "x")),
            "NotificationType",
            "deletion_notice",
        ),
    ],
)
def test_a_bad_product_is_told_and_the_next_one_read(tmp_path: Path, sent: str, field: str, reason: str) -> None:
    """By its place in the message."""
    assert _refusal(tmp_path, sent) == RejectedRow(line=1, reason=reason, field=field)


def test_an_impossible_date_is_refused(tmp_path: Path) -> None:
    """Rather than guessed."""
    date = "<PublishingDate><PublishingDateRole>01</PublishingDateRole><Date>20190231</Date></PublishingDate>"
    assert _refusal(tmp_path, product(rest=f"<PublishingDetail>{date}</PublishingDetail>")).reason == "invalid_date"
