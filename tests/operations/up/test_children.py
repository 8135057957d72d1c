"""Child processes: restarted within bounds, and ended."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from operations.errors import CommandFailed
from operations.up import children
from operations.up.children import MAX_RESTARTS, Child, ChildSpec
from tests.command_line import wait_until_gone
from tests.eventually import eventually


@pytest.fixture(autouse=True)
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses of seconds as hundredths."""
    monkeypatch.setattr(children, "FIRST_PAUSE_SECONDS", 0.005)


async def test_a_child_that_cannot_start_is_given_up() -> None:
    """After its last restart the command ends, and says which process it was."""
    child = Child(ChildSpec(name="api", module="no_such_module_of_ours", variables={}))
    with pytest.raises(CommandFailed, match=f"api ended with 1 {MAX_RESTARTS + 1} times in a row"):
        await asyncio.wait_for(child.keep_running(), timeout=60)


async def test_a_killed_child_is_started_again_and_ends_when_asked() -> None:
    """Kill -9 brings another process; `end` brings none."""
    child = Child(ChildSpec(name="waiting", module="tests.operations.up.waiting_child", variables={}))
    running = asyncio.create_task(child.keep_running())
    first = await eventually(_pid_of(child))
    assert first is not None
    os.kill(first, signal.SIGKILL)
    second = await eventually(_pid_of(child), lambda pid: pid not in {None, first})
    assert second is not None
    await child.end()
    await asyncio.wait_for(running, timeout=30)
    wait_until_gone([first, second])


def _pid_of(child: Child) -> Callable[[], Awaitable[int | None]]:
    async def look() -> int | None:
        return child.pid

    return look
