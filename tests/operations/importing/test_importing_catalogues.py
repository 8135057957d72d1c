"""A catalogue file into a store: every row accounted for, and a second time nothing new."""

from pathlib import Path
from uuid import UUID

import pytest

from operations.errors import CommandFailed
from operations.importing.catalogue import TAKEN_MEANWHILE, CatalogueImport, RowRefused, import_catalogue, price_in
from operations.importing.report import Account, ImportReport
from operations.in_house import InHouse
from shared_kernel.tenancy import Tenant
from tests.operations.installed import events_of, head_of, opened_house
from tests.servers import Servers

_HEADER = "isbn13,title,contributors,list_price,currency,popularity"
_EMMA = "9780141439587,Emma,Jane Austen,7.99,GBP,10"
_IVANHOE = "9780140436587,Ivanhoe,Walter Scott,,,5"


def _file(folder: Path, *rows: str) -> Path:
    path = folder / "books.csv"
    path.write_text("\n".join([_HEADER, *rows]) + "\n")
    return path


async def _import(house: InHouse, tenant: Tenant, wanted: CatalogueImport) -> ImportReport:
    account = Account()
    await import_catalogue(house.execution, tenant, wanted, account=account)
    return account.report()


async def test_each_row_is_accepted_rejected_or_there_already(servers: Servers, tmp_path: Path) -> None:
    """A price from the file or the default; a bad digit, another currency and a double refused by line."""
    path = _file(
        tmp_path,
        _EMMA,
        _IVANHOE,
        "9780141439580,A Bad Digit,Nobody,7.99,GBP,1",
        "9780141439600,A Tale of Two Cities,Charles Dickens,7.99,EUR,1",
        _EMMA,
    )
    async with opened_house(servers, tmp_path) as (house, tenant):
        wanted = CatalogueImport(path=path, format="csv", default_price_minor=999)
        first = await _import(house, tenant, wanted)
        assert (first.rows, first.accepted, first.rejected, first.skipped) == (5, 2, 3, {})
        reasons = {one.line: one.reason for one in first.rejections}
        assert reasons[4].startswith("isbn13: ")
        assert "currency" in reasons[5]
        assert reasons[6] == f"isbn_taken: {TAKEN_MEANWHILE}"
        head = await head_of(house, tenant)
        again = await _import(house, tenant, wanted)
        assert (again.accepted, again.skipped) == (0, {"already_there": 3})
        assert await head_of(house, tenant) == head


async def test_a_dry_run_says_the_same_and_keeps_nothing(servers: Servers, tmp_path: Path) -> None:
    """Twice, to be sure that the first left nothing."""
    path = _file(tmp_path, _EMMA, _IVANHOE)
    async with opened_house(servers, tmp_path) as (house, tenant):
        head = await head_of(house, tenant)
        for _ in range(2):
            report = await _import(
                house, tenant, CatalogueImport(path=path, format="csv", default_price_minor=None, dry_run=True)
            )
            assert (report.accepted, report.rejected) == (1, 1)
            assert "--default-price" in report.rejections[0].reason
        assert await head_of(house, tenant) == head


async def test_on_error_stop_keeps_what_stands_before(servers: Servers, tmp_path: Path) -> None:
    """The row that is refused ends the import; later ones are not looked at."""
    path = _file(tmp_path, _EMMA, "9780141439580,A Bad Digit,Nobody,7.99,GBP,1", _IVANHOE)
    async with opened_house(servers, tmp_path) as (house, tenant):
        account = Account()
        wanted = CatalogueImport(path=path, format="csv", default_price_minor=999, stop_on_error=True)
        with pytest.raises(RowRefused):
            await import_catalogue(house.execution, tenant, wanted, account=account)
        assert (account.rows, account.accepted, account.rejected) == (2, 1, 1)
        assert (await events_of(house, tenant))["EditionCreated"] == 1


def test_a_default_price_is_in_the_stores_money() -> None:
    """Pounds have two decimals, yen none; what is no price is refused in a sentence."""
    pounds = Tenant(id=UUID(int=1), slug="p", currency="GBP", timezone="UTC")
    yen = Tenant(id=UUID(int=2), slug="y", currency="JPY", timezone="UTC")
    assert (price_in(pounds, "9.99"), price_in(yen, "999")) == (999, 999)
    for store, text in ((yen, "9.99"), (pounds, "9.999"), (pounds, "free"), (pounds, "-1")):
        with pytest.raises(CommandFailed, match="is not a price in"):
            price_in(store, text)
