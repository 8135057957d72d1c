"""How a view declares a route: who may, what it costs, and the parameters that the OpenAPI document shows."""

from typing import Any

import msgspec
from litestar import get

from read_side.query_execution.documentation import operation_class
from read_side.query_execution.lists.specification import ListSpecification
from read_side.query_execution.parameters import AS_OF, NoParameters
from shared_kernel.access.roles import AccessPolicy
from shared_kernel.errors import ShelfWiseError
from shared_kernel.http.routes import declare


def query_route(  # noqa: PLR0913 - a route's parts, all by name
    path: str,
    *,
    policy: AccessPolicy,
    summary: str,
    cost: int = 1,
    parameters: type[msgspec.Struct] | ListSpecification = NoParameters,
    own_parameters: type[msgspec.Struct] = NoParameters,
    as_of: bool = True,
    compresses: bool = False,
    errors: tuple[type[ShelfWiseError], ...] = (),
) -> get:
    """A decorator for an endpoint annotated `-> Response[Envelope[…]]`; it answers GET, and HEAD like it.

    Args:
        path: below `/api/v1`.
        policy: who may.
        summary: a few words, for the OpenAPI document.
        cost: units of the limits; 1 for an entity, 2 for a page, 5 for sums over many rows.
        parameters: the struct or the list specification that the query string is parsed with.
        own_parameters: further ones of a list, as for `parse_list_with`.
        as_of: whether its view can be read as of a snapshot.
        compresses: whether its larger answers are worth compressing: sums that dashboards ask for again and again.
        errors: named errors beside those every query can answer.
    """
    # Any: Litestar's `opt`.
    opt: dict[str, Any] = declare(policy=policy, cost=cost, errors=errors, compresses=compresses)
    opt[AS_OF] = as_of
    operation = operation_class(parameters, own_parameters, as_of=as_of)
    return get(path, opt=opt, summary=summary, operation_class=operation)
