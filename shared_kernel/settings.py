"""Settings from `SHELFWISE_*` variables: typed, checked at start; an error names the variable, never its value."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

PREFIX = "SHELFWISE_"
SECRET_KEY_MIN_LENGTH = 32

SettingsT = TypeVar("SettingsT", bound=msgspec.Struct)


class SettingsError(Exception):
    """A variable is missing or wrong; the message names it and says what it takes."""


def read_settings(kind: type[SettingsT], environment: Mapping[str, str]) -> SettingsT:
    """One deployable's settings: each field `name` of `kind` from the variable `SHELFWISE_NAME`.

    Args:
        kind: a frozen struct whose fields have plain types and, where optional, defaults.
        environment: usually `os.environ`.

    Raises:
        SettingsError: naming every variable that is missing or does not convert.
    """
    problems: list[str] = []
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        variable = PREFIX + field.name.upper()
        text = environment.get(variable)
        if text is None:
            if field.required:
                problems.append(f"{variable} is not set")
            continue
        try:
            values[field.name] = msgspec.convert(text, field.type, strict=False)
        except msgspec.ValidationError:
            problems.append(f"{variable} is not a valid {getattr(field.type, '__name__', field.type)}")
    if len(values.get("secret_key", "x" * SECRET_KEY_MIN_LENGTH)) < SECRET_KEY_MIN_LENGTH:  # type: ignore[arg-type]  # a str where present
        problems.append(f"{PREFIX}SECRET_KEY needs at least {SECRET_KEY_MIN_LENGTH} characters")
    if problems:
        raise SettingsError("; ".join(problems))
    return kind(**values)
