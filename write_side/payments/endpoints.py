"""Payments over HTTP: taking what is held, giving back what was taken, and the provider's callbacks."""

from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from shared_kernel.access.roles import MOVE_MONEY, PUBLIC
from shared_kernel.http.envelope import CommandEnvelope, CommandReply, command_response, envelope_bytes
from shared_kernel.http.routes import declare
from write_side.command_execution.commands_over_http import Commands, HttpRequest
from write_side.command_execution.execution import Decide
from write_side.command_execution.requests import Answer
from write_side.payments import handlers
from write_side.payments.commands import CapturePayment, PaymentDecided, Planned, RefundPayment
from write_side.payments.errors import (
    AmountExceedsHeld,
    AmountExceedsRefundable,
    CallbackNotTrusted,
    InvalidAmount,
    PaymentAlreadyCaptured,
    PaymentNotAuthorized,
    PaymentNotFound,
    ProviderPending,
    ProviderRefused,
    SettledByHand,
)
from write_side.payments.inbox import Inbox

_MAX_CALLBACK_BYTES: Final = 64 * 1024


@post(
    "/payments/{payment_id:uuid}/capture",
    opt=declare(
        policy=MOVE_MONEY,
        cost=10,
        idempotency="required",
        if_match="accepted",
        errors=(
            PaymentNotFound,
            InvalidAmount,
            PaymentNotAuthorized,
            PaymentAlreadyCaptured,
            AmountExceedsHeld,
            ProviderRefused,
            ProviderPending,
            SettledByHand,
        ),
    ),
    status_code=200,
    summary="Take what a payment holds",
)
async def capture_payment(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    payment_id: FromPath[UUID],
    data: JSONBody[CapturePayment],
) -> Response[CommandEnvelope[PaymentDecided]]:
    """All that is held, or a part of it; the rest is let go. Orders are captured by themselves when copies leave."""
    plan = partial(handlers.plan_capture, payment_id, data)
    return await commands.run_planned(request, "capture_payment", plan, partial(_answer_for, payment_id))


@post(
    "/payments/{payment_id:uuid}/refunds",
    opt=declare(
        policy=MOVE_MONEY,
        cost=10,
        idempotency="required",
        if_match="accepted",
        errors=(
            PaymentNotFound,
            InvalidAmount,
            AmountExceedsRefundable,
            ProviderRefused,
            ProviderPending,
            SettledByHand,
        ),
    ),
    status_code=200,
    summary="Give back what a payment took",
)
async def refund_payment(
    request: HttpRequest,
    commands: NamedDependency[Commands],
    payment_id: FromPath[UUID],
    data: JSONBody[RefundPayment],
) -> Response[CommandEnvelope[PaymentDecided]]:
    """All that is left of it, or a part. What comes back of an order is refunded by itself."""
    plan = partial(handlers.plan_refund, payment_id, data)
    return await commands.run_planned(request, "refund_payment", plan, partial(_answer_for, payment_id))


# Not in the document for clients: whoever knows the secret knows the provider's own.
@post(
    "/provider-callbacks/payments",
    opt=declare(policy=PUBLIC, errors=(CallbackNotTrusted,), max_body_bytes=_MAX_CALLBACK_BYTES),
    status_code=200,
    include_in_schema=False,
)
async def receive_callback(
    request: HttpRequest,
    inbox: NamedDependency[Inbox],
) -> Response[Any]:  # Any: of an answer that nobody reads
    """Known by its signature; kept before it is answered."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    received = await inbox.receive(await request.body(), headers)
    return command_response(CommandReply(status=200, body=envelope_bytes(msgspec.json.encode(received))))


def _answer_for(payment_id: UUID, planned: Answer) -> Decide:
    return partial(handlers.answer_for, payment_id, planned.read(Planned).operation_id)


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (capture_payment, refund_payment, receive_callback)
