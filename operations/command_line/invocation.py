"""What every command shares: where the installation is, how it answers, and how it fails."""

import asyncio
import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, NoReturn, ParamSpec, TypeVar, get_args

import asyncpg
import click
import msgspec
from rich.console import Console
from rich.table import Table

from operations.errors import CommandFailed
from operations.importing.readers.catalogue import UnreadableFile
from operations.servers.errors import InstallationUnusable
from operations.servers.installation import DATA_DIR_VARIABLE, DEFAULT_DATA_DIR, Installation, open_installation
from shared_kernel.errors import ShelfWiseError
from shared_kernel.observability.logging import LogFormat, configure_logging
from shared_kernel.redis.errors import RedisUnavailable
from shared_kernel.settings import SettingsError

DEBUG_VARIABLE = "SHELFWISE_DEBUG"
LOG_LEVEL_VARIABLE = "SHELFWISE_LOG_LEVEL"
LOG_FORMAT_VARIABLE = "SHELFWISE_LOG_FORMAT"
EXIT_FAULT = 1
_PIPED_WIDTH = 400
"""Into a pipe or a file nothing is folded: `grep` wants whole lines."""
_INTERRUPTED = 128 + signal.SIGINT
_NOT_MIGRATED = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InsufficientPrivilegeError,
)

Parameters = ParamSpec("Parameters")
ResultT = TypeVar("ResultT")


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the command."""

    data_dir: Path
    as_json: bool

    @contextmanager
    def installation(self) -> Iterator[Installation]:
        """The installation's servers, for the block."""
        with open_installation(self.data_dir) as installation:
            yield installation

    def on_servers(self, work: Callable[[Installation], Coroutine[None, None, ResultT]]) -> ResultT:
        """What `work` gives when run on the installation's servers."""
        with self.installation() as installation:
            return asyncio.run(work(installation))

    def answer(self, answer: msgspec.Struct, *human: Table | str) -> None:
        """Print the command's result on stdout: as JSON, or as tables and lines for a person."""
        if self.as_json:
            sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
            sys.stdout.flush()
            return
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=_PIPED_WIDTH)
        for part in human:
            # A line that is to be copied stays one line, whatever the terminal's width.
            console.print(part, markup=False, emoji=False, soft_wrap=isinstance(part, str))

    def say(self, line: str) -> None:
        """Tell what is going on, on stderr."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def command(
    function: Callable[Concatenate[Invocation, Parameters], int | None],
) -> Callable[Parameters, None]:
    """Give a command `--data` and `--json`, and report its failures in one sentence.

    Args:
        function: returns the exit code, None for 0.
    """

    @click.option(
        "--data",
        "data_dir",
        type=click.Path(file_okay=False, path_type=Path),
        envvar=DATA_DIR_VARIABLE,
        default=DEFAULT_DATA_DIR,
        show_default=True,
        metavar="DIR",
        help="The installation's folder.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object on stdout.")
    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        data_dir, as_json = kwargs.pop("data_dir"), kwargs.pop("as_json")
        assert isinstance(data_dir, Path)
        invocation = Invocation(data_dir=data_dir, as_json=bool(as_json))
        with _failures_in_a_sentence(invocation):
            _configure_logs()
            code = function(invocation, *args, **kwargs)
        sys.exit(code or 0)

    return run


def table(*columns: str, rows: Sequence[Sequence[object]]) -> Table:
    """Rows for a person to read; numbers to the right."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        shown.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    return shown


def _configure_logs() -> None:
    level = os.environ.get(LOG_LEVEL_VARIABLE, "warning")
    if level.upper() not in logging.getLevelNamesMapping():
        message = f"{LOG_LEVEL_VARIABLE} is not one of debug, info, warning, error, critical"
        raise SettingsError(message)
    try:
        log_format: LogFormat = msgspec.convert(os.environ.get(LOG_FORMAT_VARIABLE, "auto"), LogFormat)
    except msgspec.ValidationError as error:
        message = f"{LOG_FORMAT_VARIABLE} is not one of {', '.join(get_args(LogFormat))}"
        raise SettingsError(message) from error
    configure_logging(level=level, log_format=log_format)


@contextmanager
def _failures_in_a_sentence(invocation: Invocation) -> Iterator[None]:
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the process's edge: the account is the sentence, and the traceback where asked for
        _fail(invocation, error)


def _fail(invocation: Invocation, error: Exception) -> NoReturn:
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    sentence = _sentence(error)
    invocation.say(f"shelfwise: {sentence}")
    if invocation.as_json:
        sys.stdout.write(msgspec.json.encode({"error": sentence}).decode() + "\n")
    sys.exit(EXIT_FAULT)


def _sentence(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case ShelfWiseError():
            return "; ".join([error.detail, *(f"{one.pointer}: {one.detail}" for one in error.errors)])
        case CommandFailed() | InstallationUnusable() | SettingsError() | UnreadableFile():
            return str(error)
        case asyncpg.PostgresError() if isinstance(error, _NOT_MIGRATED):
            return "the databases are not as this release wants them: run `shelfwise migrate`"
        case (
            asyncpg.PostgresError() | asyncpg.InterfaceError() | TimeoutError() | ConnectionError() | RedisUnavailable()
        ):
            return f"a server does not answer as it should ({type(error).__name__}): `shelfwise doctor` says which"
        case OSError():
            return f"{error.filename or 'a file'}: {error.strerror}"
        case _:
            return f"this is a fault of ours ({type(error).__name__}); {DEBUG_VARIABLE}=1 shows where"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
