"""What probes and Prometheus see of each process, while all is well."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from projections.registry import PROJECTIONS
from tests.eventually import eventually
from tests.system.shops import Visitor, order, position

_PROBES = ("/health/live", "/health/ready", "/health/startup")


async def test_every_process_says_that_it_is_well(shop: Visitor) -> None:
    """Three times, without a key."""
    for one in shop.house.deployables():
        for probe in _PROBES:
            answer = await shop.client.get(f"{one.url}{probe}")
            assert answer.status_code == 200, (one.name, probe, answer.text)


async def test_both_apis_count_their_requests_by_route(shop: Visitor) -> None:
    """By the route's template: an id in a label would be a new series for each."""
    location_id, edition_id = await shop.shelf()
    at = position(await shop.post("/orders", order(location_id, (edition_id, 1))))
    await shop.ask(f"/stock/{edition_id}", at=at)

    written = await _samples(shop.client, shop.house.write_api.url)
    read = await _samples(shop.client, shop.house.read_api.url)

    assert any(labels.get("route", "").endswith("/orders") for _, labels, _ in written)
    assert any("edition_id" in labels.get("route", "") for _, labels, _ in read)
    assert not any(edition_id in value for _, labels, _ in read for value in labels.values())


async def test_the_projector_shows_how_far_each_projection_lags(shop: Visitor) -> None:
    """Every one of the registry, and nothing is left behind when all is done."""
    location_id, edition_id = await shop.shelf()
    position(await shop.post("/orders", order(location_id, (edition_id, 1))))

    async def lags() -> dict[str, float]:
        samples = await _samples(shop.client, shop.house.projector.url)
        return {labels["projection"]: value for name, labels, value in samples if name.endswith("lag_events")}

    seen = await eventually(lags, lambda by_name: bool(by_name) and not any(by_name.values()))

    assert {name.partition("@")[0] for name in seen} == {projection.view.name for projection in PROJECTIONS}


async def _samples(client: httpx.AsyncClient, url: str) -> list[tuple[str, dict[str, str], float]]:
    answer = await client.get(f"{url}/metrics")
    assert answer.status_code == 200
    media_type, *parameters = answer.headers["content-type"].split("; ")
    assert media_type == "text/plain"
    assert len(parameters) == len(set(parameters)), "some parsers refuse a parameter that stands twice"
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    ]


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/nowhere"])
async def test_a_probe_s_path_is_all_that_is_open(shop: Visitor, path: str) -> None:
    """Neither a query nor an address that does not exist says anything to strangers."""
    for one in (shop.house.write_api, shop.house.read_api):
        answer = await shop.client.get(f"{one.url}{path}")
        assert answer.status_code in {401, 404, 405}
        assert answer.headers["content-type"] == "application/problem+json"
