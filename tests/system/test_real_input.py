"""A real shop's orders, replayed through the whole product, agree with an independent sum over the file."""

from pathlib import Path

import pytest

from tests.command_line import on_servers
from tests.operations.importing.real_input import real_input
from tests.servers import Servers
from tests.system.verify_real_input import CATALOGUE, ORDERS, table, verify_real_input


def test_first_two_thousand_invoices(servers: Servers, tmp_path: Path) -> None:
    """Every day's net, the first hundred titles in order, and every row of every projection."""
    _verify(servers, tmp_path, limit=2_000)


@pytest.mark.real_input
def test_all_invoices(servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same, for the whole file; prints what it found."""
    with capsys.disabled():
        _verify(servers, tmp_path, limit=None)


def _verify(servers: Servers, folder: Path, *, limit: int | None) -> None:
    findings = verify_real_input(
        on_servers(servers, folder), catalogue=real_input(CATALOGUE), orders=real_input(ORDERS), limit=limit
    )
    print(table(findings))  # noqa: T201 - shown where it fails, and always for the whole file
    assert all(one.agrees for one in findings)
