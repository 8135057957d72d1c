"""The file in which an installation remembers its secrets and where its servers were last found."""

import os
import secrets
from pathlib import Path

import msgspec

from operations.servers.errors import InstallationUnusable
from shared_kernel.database.roles import RolePasswords

RECORD_FILE = "installation.json"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What `installation.json` holds, readable by its owner alone."""

    secret_key: str
    role_passwords: RolePasswords
    postgres_password: str
    valkey_password: str
    servers_folder: str | None = None  # None: inside the data folder, so that it may be moved
    postgres_port: int | None = None
    valkey_port: int | None = None


def read_or_make_record(data_dir: Path) -> Record:
    """The folder's record; a new one, with new secrets, where there is none. Call it under the start lock.

    Raises:
        InstallationUnusable: the file is there but is not a record.
    """
    path = data_dir / RECORD_FILE
    try:
        return _completed(data_dir, path.read_bytes())
    except FileNotFoundError:
        record = _new_record()
        write_record(data_dir, record)
        return record
    except msgspec.MsgspecError as error:
        message = f"{path} is damaged ({error}): restore it, or choose another data folder (--data)"
        raise InstallationUnusable(message) from error


def _completed(data_dir: Path, stored: bytes) -> Record:
    """The record, with a password for every role that this release has and the one that wrote it had not."""
    fields = msgspec.json.decode(stored, type=dict[str, object])
    known = msgspec.convert(fields.get("role_passwords"), dict[str, str])
    missing = {role: secrets.token_hex(24) for role in RolePasswords.__struct_fields__ if role not in known}
    record = msgspec.convert({**fields, "role_passwords": {**known, **missing}}, Record)
    if missing:
        write_record(data_dir, record)
    return record


def write_record(data_dir: Path, record: Record) -> None:
    """Replace the record in one step: a reader or a crash sees the old one or the new one, whole."""
    unfinished = data_dir / f".{RECORD_FILE}-{secrets.token_hex(4)}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(data_dir / RECORD_FILE)


def _new_record() -> Record:
    return Record(
        secret_key=secrets.token_hex(32),
        role_passwords=RolePasswords(
            write_api=secrets.token_hex(24),
            read_api=secrets.token_hex(24),
            projector=secrets.token_hex(24),
            reactions=secrets.token_hex(24),
            operator=secrets.token_hex(24),
        ),
        postgres_password=secrets.token_hex(24),
        valkey_password=secrets.token_hex(24),
    )
