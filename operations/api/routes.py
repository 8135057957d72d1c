"""Every route of the operators' API, below `/api/v1/operations`."""

from litestar.handlers import HTTPRouteHandler

from operations.api import (
    dead_letters,
    keys,
    projections,
    reactions,
    sagas,
    sessions,
    standing,
    tenants,
    verifications,
    watching,
)

API_PATH = "/api/v1/operations"

ROUTES: tuple[HTTPRouteHandler, ...] = (
    *sessions.ROUTES,
    *watching.ROUTES,
    *tenants.ROUTES,
    *keys.ROUTES,
    *projections.ROUTES,
    *standing.ROUTES,
    *verifications.ROUTES,
    *dead_letters.ROUTES,
    *reactions.ROUTES,
    *sagas.ROUTES,
)
