"""The link to a list's next page: the same question, further on."""

from urllib.parse import parse_qsl, urlencode


def next_link(path_template: str, query_string: bytes, cursor: str) -> str:
    """Path and query of the next page, relative to whatever host the client knows us by.

    Of the route, not of the request: `//api/…` is routed as well, and as a link would name a host.
    """
    asked = parse_qsl(query_string.decode("ascii"), keep_blank_values=True)
    pairs = [(name, text) for name, text in asked if name != "cursor"]
    return f"{path_template}?{urlencode([*pairs, ('cursor', cursor)])}"
