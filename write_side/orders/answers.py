"""Orders and returns as answers show them."""

from shared_kernel.events.orders import GoodsReturned
from shared_kernel.money import Money
from write_side.orders.commands import LineDecided, OrderDecided, ReturnDecided, ReturnedLine
from write_side.orders.model import Order


def order_decided(order: Order) -> OrderDecided:
    """An order as a command left it."""

    def money(amount_minor: int) -> Money:
        return Money(amount_minor=amount_minor, currency=order.currency)

    lines = tuple(
        LineDecided(
            line_id=line.ordered.line_id,
            edition_id=line.ordered.edition_id,
            quantity=line.ordered.quantity,
            fulfilled_quantity=line.fulfilled_quantity,
            unit_price=money(line.ordered.unit_price_minor),
            net=money(line.ordered.net_minor),
            tax=money(line.ordered.tax_minor),
            total=money(line.ordered.total_minor),
        )
        for line in order.lines
    )
    return OrderDecided(
        id=order.order_id,
        number=order.number,
        version=order.version,
        status=order.status,
        fulfilment_status=order.fulfilment_status,
        lines=lines,
        net=money(order.net_minor),
        tax=money(order.tax_minor),
        total=money(order.total_minor),
        payment_id=order.payment_id,
    )


def return_decided(event: GoodsReturned) -> ReturnDecided:
    """A return as it was taken."""

    def money(amount_minor: int) -> Money:
        return Money(amount_minor=amount_minor, currency=event.currency)

    lines = tuple(
        ReturnedLine(
            line_id=line.line_id,
            edition_id=line.edition_id,
            quantity=line.quantity,
            unit_price=money(line.unit_price_minor),
            total=money(line.total_minor),
            disposition=line.disposition,
        )
        for line in event.lines
    )
    return ReturnDecided(
        id=event.return_id,
        version=1,
        order_id=event.order_id,
        lines=lines,
        net=money(event.net_minor),
        tax=money(event.tax_minor),
        total=money(event.total_minor),
    )
