"""Our own catalogue file: CSV as in RFC 4180, UTF-8, the first line naming the columns.

| column | |
|---|---|
| `title` | required |
| `isbn13`, `sku` | at least one of the two columns, and one of the two in every row; an ISBN-10 is taken too |
| `contributors` | `Name` or `Name (role)`, several separated by `;`; the role is `author` where none is given |
| `format` | `hardback`, `paperback`, `ebook`, `audio`, `other` (where empty) |
| `publisher`, `language` | text; a language tag |
| `published_on` | `1813-01-28`, `1813-01`, `1813`, `-0750` |
| `subjects` | separated by `;` |
| `list_price`, `currency` | a decimal such as `9.99`, and `GBP`; both or neither |
| `popularity` | a whole number; only its order matters |

Columns may stand in any order and be left out; an unknown one is refused, since it is most often a misspelt one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from operations.importing.readers import field_rules
from operations.importing.readers.catalogue import CatalogueRow, FieldProblem, RejectedRow, UnreadableFile
from operations.importing.readers.delimited import Record, open_csv

COLUMNS = (
    "isbn13",
    "sku",
    "title",
    "contributors",
    "format",
    "publisher",
    "published_on",
    "language",
    "subjects",
    "list_price",
    "currency",
    "popularity",
)


def read_csv_catalogue(path: Path) -> Iterator[CatalogueRow | RejectedRow]:
    """Every row of the file once.

    Raises:
        UnreadableFile: where the header lacks `title` or both `isbn13` and `sku`, or names what we do not know.
    """
    with open_csv(path, required=("title",), known=COLUMNS) as table:
        if "isbn13" not in table.columns and "sku" not in table.columns:
            msg = f"{path.name}: columns missing 'isbn13' or 'sku'"
            raise UnreadableFile(msg)
        for record in table.records():
            if isinstance(record, RejectedRow):
                yield record
            else:
                yield _row(record, dict(zip(table.columns, record.cells, strict=True)))


def _row(record: Record, cells: Mapping[str, str]) -> CatalogueRow | RejectedRow:
    try:
        isbn, sku = cells.get("isbn13", "").strip(), cells.get("sku", "").strip()
        currency = cells.get("currency", "").strip()
        return field_rules.checked(
            field_rules.ForeignRow(
                line=record.line,
                isbn13=field_rules.isbn13(isbn) if isbn else None,
                sku=sku or None,
                title=cells["title"],
                contributors=_contributors(cells.get("contributors", "")),
                format=cells.get("format", "").strip() or "other",
                publisher=cells.get("publisher", ""),
                published_on=cells.get("published_on", "").strip(),
                language=cells.get("language", ""),
                subjects=cells.get("subjects", "").split(";"),
                list_price_minor=_price_minor(cells.get("list_price", "").strip(), currency=currency),
                currency=currency or None,
                popularity=field_rules.popularity(cells.get("popularity", "").strip()),
            )
        )
    except FieldProblem as problem:
        return problem.rejected(record.line)


def _price_minor(price: str, *, currency: str) -> int | None:
    if bool(price) != bool(currency):
        raise FieldProblem("missing", field="currency" if price else "list_price")
    return field_rules.price_minor(price, code=currency) if price else None


def _contributors(cell: str) -> Iterator[tuple[str, str]]:
    for part in map(str.strip, cell.split(";")):
        name, opened, role = part.removesuffix(")").rpartition("(")
        if opened and part.endswith(")") and role.isalpha() and role.islower():
            yield name, role
        else:
            yield part, "author"
