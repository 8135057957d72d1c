"""Every command of the command line has its route, or a written reason for having none."""

import click

from operations.api.routes import API_PATH, ROUTES
from operations.command_line.entry import shelfwise
from tests.command_line import inside

_ROUTE_OF = {
    "tenants create": "POST /tenants",
    "tenants list": "GET /tenants",
    "keys create": "POST /keys",
    "keys list": "GET /keys",
    "keys revoke": "POST /keys/{key_id:uuid}/revocation",
    "projections list": "GET /projections",
    "projections status": "GET /projections/status",
    "projections rebuild": "POST /projections/{name:str}/rebuild",
    "projections rollback": "POST /projections/{name:str}/rollback",
    "projections pause": "POST /projections/{name:str}/pause",
    "projections resume": "POST /projections/{name:str}/resume",
    "projections cancel": "POST /projections/{name:str}/cancellation",
    "projections drop-kept": "POST /projections/{name:str}/kept/removal",
    "projections retire": "POST /projections/{name:str}/versions/{version:int}/retirement",
    "projections verify": "POST /projections/{name:str}/verifications",
    "projections explain": "GET /projections/{name:str}/explanation",
    "dead-letters list": "GET /dead-letters",
    "dead-letters show": "GET /dead-letters/{letter_id:uuid}",
    "dead-letters retry": "POST /dead-letters/{letter_id:uuid}/retry",
    "dead-letters skip": "POST /dead-letters/{letter_id:uuid}/skip",
    "reactions status": "GET /reactions",
    "reactions dead-letters list": "GET /reactions/dead-letters",
    "reactions dead-letters show": "GET /reactions/dead-letters/{letter_id:uuid}",
    "reactions dead-letters retry": "POST /reactions/dead-letters/{letter_id:uuid}/retry",
    "reactions dead-letters skip": "POST /reactions/dead-letters/{letter_id:uuid}/skip",
    "sagas list": "GET /sagas",
    "sagas show": "GET /sagas/{order_id:uuid}",
    "sagas retry": "POST /sagas/{order_id:uuid}/retry",
    "sagas resolve": "POST /sagas/{order_id:uuid}/resolution",
    "doctor": "GET /doctor",
}
_HAS_NONE = {
    "up": "starts the very processes that would answer",
    "migrate": "needs the administrator's login, which no deployable has",
    "import catalogue": "reads a file of hundreds of megabytes beside the command; a store's own API takes editions",
    "import orders": "the same, of a store's past orders",
    "log archive": "runs for hours beside the storage that it fills, whose credentials no deployable has",
}


def _commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name in group.list_commands(click.Context(group)):
        one = inside(group, name)
        if isinstance(one, click.Group):
            found |= _commands(one, f"{prefix}{name} ")
        else:
            found[f"{prefix}{name}"] = one
    return found


def test_every_command_has_a_route_or_a_reason() -> None:
    """A new command is answered for here."""
    unanswered = _commands(shelfwise).keys() - _ROUTE_OF.keys() - _HAS_NONE.keys()
    assert not unanswered, f"give them a route below {API_PATH}, or a reason"


def test_every_named_route_exists() -> None:
    """By method and path."""
    there = {f"{method} {path}" for one in ROUTES for method in one.http_methods for path in one.paths}
    assert not set(_ROUTE_OF.values()) - there
    assert all(len(reason) > 20 for reason in _HAS_NONE.values())
