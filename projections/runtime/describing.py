"""What is kept of an error: its type and message, and where it was raised; never the values a fold was looking at."""

import asyncpg

_MAX_MESSAGE_LENGTH = 500
_MAX_FRAMES = 30
"""The innermost ones: a fold is shallow, and where it failed is at the end."""
_MAX_LENGTH = 8_000


def describe(error: BaseException) -> str:
    """The summary on the first line, then a line for each frame, the outermost first.

    No local variable, no source text and no path of the machine: a message may name an event's business value (events
    hold no personal data), but what PostgreSQL adds as its DETAIL, the whole row, is left out.
    """
    frames = _frames(error)
    where = f" at {frames[-1]}" if frames else ""
    lines = [f"{type(error).__name__}{where}: {_message(error)}", *frames[-_MAX_FRAMES:]]
    return storable("\n".join(lines))[:_MAX_LENGTH]


def summary_of(description: str) -> str:
    """The first line of what `describe` gave."""
    return description.partition("\n")[0]


def traceback_of(description: str) -> str:
    """The frames of what `describe` gave."""
    return description.partition("\n")[2]


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot hold: NUL and halves of surrogate pairs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _message(error: BaseException) -> str:
    said = error.args[0] if isinstance(error, asyncpg.PostgresError) and error.args else error
    return " ".join(str(said)[:_MAX_MESSAGE_LENGTH].split())


def _frames(error: BaseException) -> list[str]:
    frames: list[str] = []
    place = error.__traceback__
    while place is not None:
        code = place.tb_frame.f_code
        module = str(place.tb_frame.f_globals.get("__name__", "?"))
        frames.append(f"{module}:{place.tb_lineno} {code.co_qualname}")
        place = place.tb_next
    return frames
