"""import-linter proves the rooms' table; here each of its contracts sees a planted breach."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.lint import CHECKOUT, ROOMS

# Contract, the file to plant (a new one, or a line added to one that is there), and what it imports.
BREACHES = [
    ("The write side stands on the kernel alone", "write_side/planted_write.py", "projections"),
    ("Slices depend one way", "write_side/catalog/planted_slice.py", "write_side.orders"),
    ("The read side stands on the kernel alone", "read_side/planted_read.py", "write_side"),
    ("The read side knows neither events nor their log", "read_side/planted_events.py", "shared_kernel.events"),
    ("Projections stand on the kernel and on views", "projections/planted_fold.py", "write_side"),
    ("Of the read side, projections know only", "projections/planted_query.py", "read_side.order_list.queries"),
    ("The kernel stands on nothing of ours", "shared_kernel/events/planted_kernel.py", "write_side"),
    ("The kernel is a closed list", "shared_kernel/planted_utils.py", None),
    ("Migrations know tables of the write side", "migrations/planted_migration.py", "read_side"),
    ("Nothing stands on the tests", "operations/planted_operation.py", "tests"),
]


@pytest.fixture(scope="module")
def clean_report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says about a copy of this checkout, to know that breaches below are the planted ones."""
    return _report(_copy(tmp_path_factory.mktemp("clean")))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says about a copy with every breach planted: building its graph once is what takes time."""
    copy = _copy(tmp_path_factory.mktemp("planted"))
    for _contract, path, imported in BREACHES:
        file = copy / path
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(f"import {imported}\n" if imported else "", encoding="utf-8")
    for module in ("write_side/orders", "write_side/catalog", "read_side/order_list"):
        (copy / module).mkdir(exist_ok=True)
        (copy / module / "__init__.py").touch()
    (copy / "read_side/order_list/queries.py").touch()
    return _report(copy)


def test_this_checkout_keeps_every_contract(clean_report: str) -> None:
    """The table in the architecture page is true."""
    assert " 0 broken." in clean_report, clean_report


@pytest.mark.parametrize(("contract", "path", "imported"), BREACHES)
def test_a_planted_breach_is_seen(report: str, contract: str, path: str, imported: str | None) -> None:
    """The contract that forbids it names the planted module."""
    planted = path.removesuffix(".py").replace("/", ".")
    assert imported is None or f"{planted} -> {imported}" in _section(report, contract), report
    assert planted.rpartition(".")[2] in _section(report, contract)


def test_every_contract_has_its_breach(clean_report: str) -> None:
    """A contract that nothing breaks here is one that may check nothing."""
    contracts = [line for line in clean_report.splitlines() if " KEPT" in line or " BROKEN" in line]
    for contract in contracts:
        assert any(contract.startswith(name) for name, _, _ in BREACHES), contract
    assert len(contracts) == len(BREACHES)


def _section(report: str, contract: str) -> str:
    """What the report says below the contract's own heading."""
    details = report.partition("Broken contracts\n")[2].splitlines()
    start = next((number for number, line in enumerate(details) if line.startswith(contract)), None)
    if start is None:
        return ""
    below = details[start + 2 :]
    end = next((number for number, line in enumerate(below) if line.startswith("---")), len(below) + 1)
    return "\n".join(below[: end - 1])


def _copy(folder: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(CHECKOUT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    return folder


def _report(folder: Path) -> str:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--no-logo", "--no-cache"],
        cwd=folder,
        # The copy, and not the checkout that is installed.
        env={**os.environ, "PYTHONPATH": f"{folder}", "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr
