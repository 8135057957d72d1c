"""Ids: as the RFC has them, in the order of their milliseconds, and nobody's twice."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from shared_kernel.identifiers import new_id, new_id_text

FORKING = """
import os
from shared_kernel.identifiers import new_id_text
new_id_text()
if not os.fork():
    os.write(1, new_id_text()[19:].encode() + b" ")
    os._exit(0)
os.wait()
os.write(1, new_id_text()[19:].encode())
"""


def test_an_id_is_of_version_seven_and_of_this_millisecond() -> None:
    """As text too, and the same written and read."""
    before = time.time_ns() // 1_000_000
    made = [new_id(), UUID(new_id_text())]
    after = time.time_ns() // 1_000_000
    for one in made:
        assert (one.version, one.variant) == (7, RFC_4122)
        assert before <= one.int >> 80 <= after
        assert UUID(f"{one}") == one
        assert hash(UUID(f"{one}")) == hash(one)


def test_no_two_are_the_same_in_whatever_thread() -> None:
    """Of thousands, made by several threads at once."""
    with ThreadPoolExecutor(4) as threads:
        made = [one for some in threads.map(lambda _: [new_id() for _ in range(2_000)], range(8)) for one in some]
    assert len({one.int & (1 << 62) - 1 for one in made}) == len(made)


def test_a_child_does_not_hand_out_its_parents_random_bits() -> None:
    """What was drawn before the fork is the parent's alone."""
    shown = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=60)
    child, parent = shown.stdout.split()
    assert child != parent
