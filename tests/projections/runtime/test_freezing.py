"""Frozen builds whose log is not as long as was promised."""

from projections import order_list
from projections.runtime.careful import Projecting
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.fault_points import carry_on
from projections.runtime.freezing import Freezing, Unfinished
from shared_kernel.log.partitions import shard_of
from tests.builders.draining import parts_of
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import open_runtime
from tests.servers import Servers

STORE = id_of("one")


async def test_a_log_that_ends_before_a_snapshot_does_lets_it_rest(servers: Servers) -> None:
    """As one restored from a backup may: there is nothing to fold, and nothing that the shard would stop for."""
    log = OrderLog(STORE)
    log.place("a", [line(EMMA)], channel="web")
    await write_log(servers.write_admin_url, log.events)
    async with open_runtime(servers, (order_list.PROJECTION,)) as runtime:
        parts, lease, pool = parts_of(runtime), await runtime.lease(shard_of(STORE)), runtime.read_pool
        projecting = Projecting(
            pool=pool, catalog=parts.catalog, reach=carry_on, lease=lease, statistics=parts.statistics
        )
        freezing = Freezing(
            log_pool=runtime.log_pool, read_pool=pool, catalog=parts.catalog, lease=lease, projecting=projecting,
            skips=parts.skips, gives_way=lambda: False,
        )  # fmt: skip
        version = order_list.PROJECTION.view.version
        reached = Checkpoint(
            tenant_id=STORE, name="order_list", version=version, build=7, mode="frozen", position=1, as_of=None,
            revision=1, rows=1, parked=0,
        )  # fmt: skip
        assert not await freezing.step(Unfinished(checkpoint=reached, target=2))
