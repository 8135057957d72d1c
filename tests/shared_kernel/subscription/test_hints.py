"""What a hint says is understood, also as another release says it; what is none wakes nobody."""

from uuid import UUID

import pytest

from shared_kernel.log.partitions import shard_of
from shared_kernel.subscription.hints import hint, pass_on

STORE = UUID(int=(7 << 100) + 5)


@pytest.mark.parametrize("is_known", [True, False])
def test_who_knows_the_tenant_is_told_and_nobody_else_is_woken(*, is_known: bool) -> None:
    """Where the one who hears has no use for it, or there is none, the shard is woken."""
    heard: list[tuple[UUID, int]] = []
    woken: list[int] = []

    def hear(tenant_id: UUID, position: int) -> bool:
        heard.append((tenant_id, position))
        return is_known

    pass_on(hint(STORE, 4711).encode(), wake=woken.append, hear=hear)
    assert (heard, woken) == ([(STORE, 4711)], [] if is_known else [shard_of(STORE)])
    pass_on(hint(STORE, 4712).encode(), wake=woken.append, hear=None)
    assert woken[-1] == shard_of(STORE)


def test_a_shard_alone_is_woken() -> None:
    """As releases before this one ring."""
    woken: list[int] = []
    pass_on(b"11", wake=woken.append, hear=None)
    assert woken == [11]


@pytest.mark.parametrize("data", [b"", b"x", b"1 2 3", b"zz 5", b"ab -1", b"\xff\xfe 7", b"1" * 5_000])
def test_what_is_no_hint_wakes_nobody(data: bytes) -> None:
    """Whatever somebody publishes on the channel."""
    woken: list[int] = []
    pass_on(data, wake=woken.append, hear=None)
    assert woken == []


@pytest.mark.parametrize("digits", [str(2**63), "9" * 5_000], ids=["beyond bigint", "beyond int()"])
def test_a_position_no_log_can_have_is_told_nobody(digits: str) -> None:
    """A query asked with it would fail, and so would reading it."""
    told: list[int] = []

    def hear(_tenant_id: UUID, position: int) -> bool:
        told.append(position)
        return False

    pass_on(f"{STORE.hex} {digits}".encode(), wake=told.append, hear=hear)
    assert told == []
