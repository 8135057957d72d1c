"""The link to a list's next page: the same question, further on."""

from urllib.parse import parse_qsl, urlencode

from read_side.query_execution.requests import QueryRequest


def next_link(request: QueryRequest, cursor: str) -> str:
    """Path and query of the next page, relative to whatever host the client knows us by."""
    asked = parse_qsl(request.scope["query_string"].decode("ascii"), keep_blank_values=True)
    pairs = [(name, text) for name, text in asked if name != "cursor"]
    return f"{request.scope['path']}?{urlencode([*pairs, ('cursor', cursor)])}"
