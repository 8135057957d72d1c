"""What the demo keeps in the data folder from one run to the next, for its owner alone: keys and secrets."""

import os
import secrets
from pathlib import Path
from typing import TypeVar

import msgspec

KeptT = TypeVar("KeptT")


def kept(path: Path, kind: type[KeptT]) -> KeptT | None:
    """What was kept in a file; None where there is none, or nothing that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def keep(path: Path, what: object) -> None:
    """Have it there whole, or not at all."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)  # on servers of one's own nothing else has made it
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(what)) + b"\n")
    unfinished.replace(path)
