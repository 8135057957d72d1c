"""The demo's catalogue, shipped with the project."""

from pathlib import Path

from operations.importing.readers.catalogue import CatalogueRow, UnreadableFile
from operations.importing.readers.csv_catalogue import read_csv_catalogue

CLASSICS_CSV = Path(__file__).with_name("classics.csv")


def classics() -> tuple[CatalogueRow, ...]:
    """The three hundred, most popular first.

    Raises:
        UnreadableFile: for any row that our own reader refuses; a shipped file has none.
    """
    rows = []
    for row in read_csv_catalogue(CLASSICS_CSV):
        if not isinstance(row, CatalogueRow):
            raise UnreadableFile(f"{CLASSICS_CSV.name}, line {row.line}: {row.field} {row.reason}")
        rows.append(row)
    return tuple(sorted(rows, key=lambda row: (-(row.popularity or 0), row.line)))
