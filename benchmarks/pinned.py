"""Become another program, on one core, ending with its parent: `python -m benchmarks.pinned PARENT CORE PROGRAM …`."""

import os
import sys

from shared_kernel.process import die_with_parent

ANY_CORE = "any"


def main() -> None:
    """Pin, bind to the parent's life, and turn into the program."""
    parent, core, *program = sys.argv[1:]
    if core != ANY_CORE:
        os.sched_setaffinity(0, {int(core)})
    die_with_parent(parent_pid=int(parent))
    os.execvp(program[0], program)  # noqa: S606  # our own programs, no shell


if __name__ == "__main__":
    main()
