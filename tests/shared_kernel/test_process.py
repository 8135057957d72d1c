"""A child ends with its parent, however the parent ends; cycles go, if seldom."""

import subprocess
import sys

import pytest

CHILD = """
import os, signal, sys
from shared_kernel.process import die_with_parent
die_with_parent(parent_pid={parent}, death_signal=signal.{death_signal})
print(os.getpid(), flush=True)
signal.pause()
"""
PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}.replace("PARENT", str(os.getpid()))])
child.wait()
"""
CYCLES = """
import gc
from shared_kernel.process import {function}

class Node:
    pass

collected = []
{function}()
gc.callbacks.append(lambda phase, info: collected.append(info["collected"]) if phase == "stop" else None)
kept = [(number,) for number in [object() for _ in range({held})]]
print(len(collected), flush=True)
for _ in range(200_000):
    node = Node()
    node.itself = node
print(sum(collected) > 100_000)
"""


def test_a_child_ends_when_its_parent_is_killed() -> None:
    """The child holds the pipe's other end: that it closes shows that the child is gone."""
    child = CHILD.format(parent="PARENT", death_signal="SIGTERM")
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(child=child)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent:
        assert int(parent.stdout.readline()) != parent.pid
        parent.kill()
        # Raises after 30 s if the child lives on.
        rest, _ = parent.communicate(timeout=30)
        assert rest == b""


def test_a_child_whose_parent_ended_before_it_asked_ends_at_once() -> None:
    """Nobody would send the signal any more, so it sends it to itself."""
    program = CHILD.format(parent=1, death_signal="SIGKILL")
    orphan = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert orphan.returncode == -9
    assert orphan.stdout == b""


@pytest.mark.parametrize(("function", "held"), [("collect_rarely", 10_000), ("keep_for_good", 5_000)])
def test_cycles_are_looked_for_seldom_and_found(function: str, held: int) -> None:
    """Thousands of objects more are no reason to look; who makes cycles all the time gets their memory back."""
    program = CYCLES.format(function=function, held=held)
    looked = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    assert looked.stdout.split() == [b"0", b"True"]
