"""The link to a list's next page: the same question, further on."""

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode

_CURSOR: Final = "cursor"
_PLAIN: Final = re.compile(rb"(?:[A-Za-z0-9\-._~&=+:]|%[2389A-Fa-f][0-9A-Fa-f]|%5[BDbd])*\Z")
"""What may stand in a link as it came. No letter is percent-encoded there, so every name is spelled as it is called."""


def next_link(path_template: str, query_string: bytes, cursor: str) -> str:
    """Path and query of the next page, relative to whatever host the client knows us by.

    Of the route, not of the request: `//api/…` is routed as well, and as a link would name a host.
    """
    if _PLAIN.match(query_string):
        asked = query_string.decode("ascii").split("&")
        kept = [pair for pair in asked if pair and pair.partition("=")[0] != _CURSOR]
        return f"{path_template}?{'&'.join((*kept, f'{_CURSOR}={cursor}'))}"
    pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True)
    return (
        f"{path_template}?{urlencode([*((name, text) for name, text in pairs if name != _CURSOR), (_CURSOR, cursor)])}"
    )
