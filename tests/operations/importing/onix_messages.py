"""Small ONIX messages, built where they are needed."""

from pathlib import Path

from operations.importing.readers.catalogue import CatalogueRow, RejectedRow
from operations.importing.readers.onix3 import read_onix3


def message(*products: str, header: str = "") -> str:
    """A message of release 3.0 in reference names."""
    return f'<ONIXMessage release="3.0"><Header>{header}</Header>{"".join(products)}</ONIXMessage>'


def product(*, ids: str = "", detail: str = "", rest: str = "") -> str:
    """A product that is taken as it stands, but for the parts that are given."""
    ids = ids or identifier("15", "9780306406157")
    title = "<TitleDetail><TitleType>01</TitleType><TitleElement><TitleText>T</TitleText></TitleElement></TitleDetail>"
    return (
        f"<Product><RecordReference>ref-1</RecordReference>{ids}"
        f"<DescriptiveDetail>{detail or title}</DescriptiveDetail>{rest}</Product>"
    )


def identifier(kind: str, value: str) -> str:
    """One ProductIdentifier; the kind is list 5's."""
    return f"<ProductIdentifier><ProductIDType>{kind}</ProductIDType><IDValue>{value}</IDValue></ProductIdentifier>"


def read(folder: Path, text: str, *, currency: str | None = None) -> list[CatalogueRow | RejectedRow]:
    """What the reader makes of the text as a file."""
    path = folder / "message.xml"
    path.write_text(text, encoding="utf-8")
    return list(read_onix3(path, currency=currency))
