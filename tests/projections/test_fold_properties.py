"""Every projection, whatever its fold: how a log is cut into batches makes no difference."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.fold import AnyRecorded, Sums
from projections.registry import PROJECTIONS, AnyProjection
from projections.runtime.codec import StoredRow
from projections.runtime.folding import AnyStoredRow, RowKey, TenantEvents, Unreadable, fold, scan
from shared_kernel.views import encode_key
from tests.builders.catalogue_events import (
    edition_created,
    edition_discontinued,
    edition_priced,
    edition_revised,
    log_of,
    stock_received,
)
from tests.builders.order_log import OrderLog
from tests.builders.order_streams import order_logs

SUMS = [one for one in PROJECTIONS if one.sums is not None]
_CREATED = edition_created()
_CATALOGUE = st.lists(
    st.one_of(
        st.sampled_from(["Persuasion", "Emma", "Pride and Prejudice"]).map(
            lambda title: edition_revised(_CREATED, title=title)
        ),
        st.integers(0, 3).map(lambda price: edition_priced(price * 100)),
        st.just(edition_discontinued()),
        st.integers(1, 9).map(lambda count: stock_received(delta=count, on_hand=count, value_minor=count * 400)),
    ),
    max_size=12,
).map(lambda later: log_of(_CREATED, *later))


def fold_in_batches(
    projection: AnyProjection, events: Sequence[AnyRecorded], cuts: Sequence[int]
) -> dict[RowKey, AnyStoredRow]:
    """The rows, with positions, that batches ending at these places leave."""
    rows: dict[RowKey, AnyStoredRow] = {}
    bounds = [0, *sorted({cut % (len(events) + 1) for cut in cuts}), len(events)]
    for start, end in pairwise(bounds):
        if start == end:
            continue
        batch = tuple(events[start:end])
        tenant = batch[0].tenant_id
        run = TenantEvents(tenant_id=tenant, recorded=batch, unreadable=None)
        scanned = scan(projection, [run], {tenant: batch[0].position - 1})
        assert not scanned.stopped
        stand: dict[RowKey, AnyStoredRow | Unreadable] = dict(rows)
        changes = fold(projection, scanned.touches, stand, lambda _tenant, _key: False)
        assert not changes.failures
        rows.update(changes.upserts)
        for row_key in changes.deletes:
            del rows[row_key]
    return rows


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.view.name)
@given(log=order_logs(), cuts=st.lists(st.integers(0, 50), max_size=6))
def test_any_batches_of_orders_leave_the_same_rows(projection: AnyProjection, log: OrderLog, cuts: list[int]) -> None:
    """Rows and the positions they claim are those of one batch."""
    assert fold_in_batches(projection, log.events, cuts) == fold_in_batches(projection, log.events, [])


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.view.name)
@given(events=_CATALOGUE, cuts=st.lists(st.integers(0, 50), max_size=6))
def test_any_batches_of_catalogue_and_stock_leave_the_same_rows(
    projection: AnyProjection, events: list[AnyRecorded], cuts: list[int]
) -> None:
    """Also where rows are changed back, deleted and made again."""
    assert fold_in_batches(projection, events, cuts) == fold_in_batches(projection, events, [])


def added(standing: AnyStoredRow | None, part: AnyStoredRow, sums: Sums) -> AnyStoredRow:
    """What `Sums` says that adding a batch's own rows to those that stand comes to."""
    if standing is None:
        return part
    columns = {name: (getattr(standing.row, name), getattr(part.row, name)) for name in sums.added}
    summed = {name: None if None in both else sum(both) for name, both in columns.items()}
    latest = {name: getattr(part.row, name) for name in sums.latest}
    return StoredRow(row=msgspec.structs.replace(standing.row, **summed, **latest), position=part.position)


@pytest.mark.parametrize("projection", SUMS, ids=lambda projection: projection.view.name)
@given(log=order_logs())
def test_sums_say_what_evolving_does(projection: AnyProjection, log: OrderLog) -> None:
    """Each event folded by itself, and the rows it comes to added up by column, are the rows of one fold."""
    assert projection.sums is not None
    rows: dict[RowKey, AnyStoredRow] = {}
    for one in log.events:
        for key, part in fold_in_batches(projection, [one], []).items():
            rows[key] = added(rows.get(key), part, projection.sums)
    assert rows == fold_in_batches(projection, log.events, [])


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.view.name)
@given(log=order_logs())
def test_keys_fit_what_names_them(projection: AnyProjection, log: OrderLog) -> None:
    """Every row's own key is the one it was touched by, and names it alone."""
    rows = fold_in_batches(projection, log.events, [])
    assert all(projection.view.key_of(stored.row) == key for (_, key), stored in rows.items())
    assert len({encode_key(key) for _, key in rows}) == len(rows)
