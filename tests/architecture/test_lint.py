"""Each rule of our own lint sees a planted breach, and leaves alone what it should."""

from pathlib import Path

import pytest

from tests.architecture.lint import CHECKOUT, RULES, check_checkout, check_file

BREACHES = [
    ("stray-commit", "write_side/orders/handlers.py", "async def f(session):\n    await session.commit()\n"),
    ("stray-commit", "read_side/sales/queries.py", 'async def f(c):\n    await c.execute("DELETE FROM a; COMMIT")\n'),
    ("stray-commit", "operations/x.py", "async def f(c):\n    async with c.transaction():\n        pass\n"),
    ("built-sql", "read_side/sales/queries.py", "def f(title):\n    return f\"SELECT a FROM b WHERE c = '{title}'\"\n"),
    ("built-sql", "write_side/orders/repository.py", 'def f(x):\n    return "DELETE FROM a WHERE b = %s" % x\n'),
    ("built-sql", "write_side/orders/repository.py", 'def f(x):\n    return "SELECT a FROM " + x\n'),
    ("built-sql", "shared_kernel/x.py", 'def f(x):\n    return "SELECT a FROM {}".format(x)\n'),
    (
        "session-without-tenant",
        "write_side/orders/handlers.py",
        "async def f(pool):\n    async with transaction(pool, tenant_id=None) as c:\n        return c\n",
    ),
    (
        "session-without-tenant",
        "read_side/sales/queries.py",
        "import asyncpg\nasync def f(url):\n    return await asyncpg.connect(url)\n",
    ),
    ("view-reaches-out", "read_side/sales/view.py", "from read_side.freshness import wait\n"),
    ("view-reaches-out", "read_side/sales/queries.py", "from read_side.order_list.view import ORDER_LIST\n"),
    ("too-long", "projections/sales.py", "x = 1\n" * 301),
    ("too-long", "projections/sales.py", "def f():\n" + "    x = 1\n" * 51),
]

ACCEPTABLE = [
    ("write_side/command_execution/execute.py", 'async def f(c):\n    await c.execute("COMMIT")\n'),
    ("projections/runtime/batch.py", "async def f(c):\n    await c.commit()\n"),
    ("read_side/sales/queries.py", 'COLUMNS = "a, b"\ndef f():\n    return f"SELECT {COLUMNS} FROM c"\n'),
    ("read_side/sales/queries.py", 'def f():\n    """SELECT something; COMMIT to it."""\n    return 1\n'),
    ("read_side/sales/queries.py", "from read_side.sales.view import SALES\nfrom read_side.freshness import wait\n"),
    ("read_side/sales/queries.py", 'def f():\n    return f"SELECT a FROM {VIEW.table.fullname}"\n'),
    ("read_side/sales/queries.py", 'SUMS = {by: f"SELECT {by} FROM a" for by in ("b", "c")}\n'),
    ("read_side/sales/view.py", "from shared_kernel.views import View\n"),
    ("shared_kernel/http/app_factory.py", "def f(health):\n    health.draining.begin()\n"),
    ("projections/sales.py", "x = 1\n" * 300),
    (
        "write_side/orders/repository.py",
        'def f(x):\n    # allowed: built-sql - x is one of two words\n    return f"SELECT a FROM b ORDER BY c {x}"\n',
    ),
]


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_a_planted_breach_is_found(tmp_path: Path, rule: str, path: str, text: str) -> None:
    """The rule that it breaks names it, and no other does."""
    assert {finding.rule for finding in check_file(_planted(tmp_path, path, text), tmp_path)} == {rule}


@pytest.mark.parametrize(("path", "text"), ACCEPTABLE)
def test_what_is_right_is_left_alone(tmp_path: Path, path: str, text: str) -> None:
    """A rule that cries wolf would be switched off."""
    assert check_file(_planted(tmp_path, path, text), tmp_path) == []


def test_an_exception_without_a_reason_is_none(tmp_path: Path) -> None:
    """The comment must say why."""
    text = 'def f(x):\n    # allowed: built-sql\n    return f"SELECT a FROM b WHERE c = {x}"\n'
    assert check_file(_planted(tmp_path, "write_side/orders/repository.py", text), tmp_path)


def test_every_rule_has_its_breach() -> None:
    """A rule that nothing breaks here is a rule that may check nothing."""
    planted = {rule.replace("-", "_") for rule, _, _ in BREACHES}
    assert planted == {rule.__name__ for rule in RULES}


def test_this_checkout_keeps_every_rule() -> None:
    """Found in milliseconds, here as well as in `make check`."""
    assert [f"{finding}" for finding in check_checkout(CHECKOUT)] == []


def _planted(folder: Path, path: str, text: str) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return file
