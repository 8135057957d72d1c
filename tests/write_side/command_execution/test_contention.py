"""When it is not worth trying without locks."""

from shared_kernel.identifiers import new_id
from write_side.command_execution.contention import Contention


def _tries(contention: Contention, of: int, *, wins: bool) -> int:
    tenant_id = _TENANT
    tries = 0
    for _ in range(of):
        if contention.is_worth_trying(tenant_id):
            tries += 1
            (contention.won if wins else contention.lost)(tenant_id)
    return tries


_TENANT = new_id()


def test_who_never_loses_always_tries() -> None:
    """And nothing is remembered of them."""
    assert _tries(Contention(), 100, wins=True) == 100


def test_who_always_loses_soon_hardly_tries() -> None:
    """Each loss sits out twice as many as the one before, and no more than sixty-four."""
    contention = Contention()
    assert _tries(contention, 2 + 4 + 8 + 16 + 32 + 65 + 1, wins=False) == 7
    assert _tries(contention, 65 * 10, wins=False) == 10


def test_one_store_s_rush_is_not_another_s() -> None:
    """Losses are counted by store."""
    contention = Contention()
    contention.lost(_TENANT)
    assert contention.is_worth_trying(new_id())
    assert not contention.is_worth_trying(_TENANT)


def test_after_a_rush_it_is_as_before() -> None:
    """Every win halves what the next loss would cost."""
    contention = Contention()
    _tries(contention, 2 + 4 + 8 + 16 + 32 + 65, wins=False)
    _tries(contention, 64 + 7, wins=True)
    assert _tries(contention, 100, wins=True) == 100
    contention.lost(_TENANT)
    assert [contention.is_worth_trying(_TENANT) for _ in range(2)] == [False, True]
