"""Whatever happens in whatever order, stock, money and orders are what the plainest books say."""

import os
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.builders.projecting import assert_identical, projected, running_projector
from tests.servers import Run, Servers
from tests.system.books.house import BooksHouse, open_books_house
from tests.system.books.machine import StoreOfBooks

_SEED_VARIABLE = "SHELFWISE_BOOKS_SEED"
_EXAMPLES_VARIABLE = "SHELFWISE_BOOKS_EXAMPLES"
_SETTINGS = settings(
    database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False, stateful_step_count=30
)


@pytest.fixture
def house(run: Run) -> Iterator[tuple[BooksHouse, Servers]]:
    """For all examples of a test."""
    with open_books_house(run) as opened:
        yield opened


def test_books_agree_after_every_step(house: tuple[BooksHouse, Servers]) -> None:
    """The same few stores' days each time; `make books-campaign` makes up others."""
    _run(house, settings(_SETTINGS, max_examples=12, derandomize=True, phases=(Phase.generate,)))


@pytest.mark.books_campaign
def test_books_agree_after_every_step_of_a_campaign(
    house: tuple[BooksHouse, Servers], capsys: pytest.CaptureFixture[str]
) -> None:
    """From a seed that is told; what fails is made as short as it can be."""
    chosen, examples = int(os.environ.get(_SEED_VARIABLE, "1")), int(os.environ.get(_EXAMPLES_VARIABLE, "200"))
    begun = 0

    def tell() -> None:
        nonlocal begun
        begun += 1
        with capsys.disabled():
            sys.stdout.write(f"\rseed {chosen}: {begun} of {examples} examples   ")
            sys.stdout.flush()

    _run(house, settings(_SETTINGS, max_examples=examples, stateful_step_count=50), chosen=chosen, tell=tell)


def _run(
    house: tuple[BooksHouse, Servers],
    chosen_settings: settings,
    *,
    chosen: int | None = None,
    tell: Callable[[], None] = lambda: None,
) -> None:
    opened, servers = house

    class Machine(StoreOfBooks):
        """In this house."""

        def __init__(self) -> None:
            tell()
            super().__init__(opened)

    run_state_machine_as_test(Machine if chosen is None else seed(chosen)(Machine), settings=chosen_settings)
    opened.do(_project(servers))


async def _project(servers: Servers) -> None:
    """The real projector makes of the log what a fold of it says, with which the books were compared."""
    async with running_projector(servers):
        await projected(servers, within_seconds=60)
    await assert_identical(servers)
