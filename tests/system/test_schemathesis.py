"""Schemathesis makes up requests, fitting the contract and not: no 5xx, and no answer that the contract lacks."""

import asyncio
import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.document import DOCUMENT, OPERATIONS
from tests.system.house import House
from tests.system.requests_from_contract import ids_of
from tests.system.shops import open_shop

_SEED = int(os.environ.get("SHELFWISE_FUZZ_SEED", "1"))
_FEW, _MANY = 8, 400
_TIMEOUT_SECONDS = 60
_CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_OF_THE_TRANSPORT = {
    "content-type",
    "content-length",
    "date",
    "server",
    "cache-control",
    "vary",
    "connection",
    "transfer-encoding",
    "x-accel-buffering",
}
# Each operation's strategy is made once: describing it to Hypothesis takes longer than asking it.
_OPERATIONS = {
    found.ok().label: found.ok()
    for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
    if isinstance(found, Ok)
}
assert len(_OPERATIONS) == len(OPERATIONS)
_STREAMS = {f"{operation.method} {operation.path}" for operation in OPERATIONS if operation.is_stream}
_LONGEST_SECONDS = 900
_EVERY = pytest.mark.parametrize("label", sorted(_OPERATIONS))
_FITTING = pytest.mark.parametrize("mode", GenerationMode)


AnyCase: TypeAlias = schemathesis.Case[Any]  # Any: what is made up


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to ask, as whom, and about what."""

    house: House
    key: str
    ids: dict[str, str]
    session: requests.Session


@pytest.fixture(scope="module")
def target(house: House) -> Iterator[Target]:
    """A store that has something of everything."""

    async def opened() -> tuple[str, dict[str, str]]:
        async with open_shop(house) as shop:
            return shop.key, await ids_of(shop)

    key, ids = asyncio.run(opened())
    with requests.Session() as session:
        yield Target(house=house, key=key, ids=ids, session=session)


@_EVERY
@_FITTING
def test_a_few_requests_find_no_fault(target: Target, label: str, mode: GenerationMode) -> None:
    """Of every operation, fitting the contract and not."""
    assert _ask_often(target, label, mode, examples=_FEW) > 0


@pytest.mark.fuzz
@_EVERY
@_FITTING
def test_many_requests_find_no_fault(target: Target, label: str, mode: GenerationMode) -> None:
    """The same for longer: `make fuzz SEED=…`."""
    assert _ask_often(target, label, mode, examples=_MANY) > 0


def _ask_often(target: Target, label: str, mode: GenerationMode, *, examples: int) -> int:
    """Raises where an answer is wrong; else how often it asked."""
    asked = 0
    cases = _OPERATIONS[label].as_strategy(generation_mode=mode)

    @seed(_SEED)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink) if examples > _FEW else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, uses_known_ids=st.booleans())
    def ask(case: AnyCase, uses_known_ids: bool) -> None:  # noqa: FBT001  # Hypothesis names them
        nonlocal asked
        asked += 1
        if uses_known_ids:
            _put_known_ids(case, target.ids)
        _ask(target, case)

    ask()
    return asked


def _ask(target: Target, case: AnyCase) -> None:
    _bound(case)
    api = target.house.read_api if case.method == "GET" else target.house.write_api
    answer = _called(target, case, api.url)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AssertionError(_said_about(target.house, answer.headers["x-request-id"][0]))
    case.validate_response(answer, checks=_CHECKS)
    declared = case.operation.definition.raw["responses"].get(f"{answer.status_code}", {}).get("headers", {})
    unknown = {name.lower() for name in answer.headers} - {name.lower() for name in declared} - _OF_THE_TRANSPORT
    assert not unknown, f"{case.operation.label} answers {answer.status_code} with {unknown}, not in the contract"


def _bound(case: AnyCase) -> None:
    """A stream that would go on tells what stands now; what is no number is left, to be refused."""
    if case.operation.label in _STREAMS and isinstance(case.query, dict):
        seconds = f"{case.query.get('seconds', 0)}"
        if seconds.isascii() and seconds.isdigit() and int(seconds) <= _LONGEST_SECONDS:
            case.query["seconds"] = 0


def _called(target: Target, case: AnyCase, url: str) -> schemathesis.Response:
    headers = {"Authorization": f"Bearer {target.key}"}
    return case.call(base_url=url, session=target.session, headers=headers, timeout=_TIMEOUT_SECONDS)


def _said_about(house: House, request_id: str) -> str:
    lines = [line for text in house.logs().values() for line in text.splitlines() if request_id in line]
    return "\n".join(lines).replace("\\n", "\n")


def _put_known_ids(case: AnyCase, ids: dict[str, str]) -> None:
    """Random ids lead nowhere: with those of the store, a request gets past the first look."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = ids.get(name, case.path_parameters[name])
    _replace(case.body, ids)


def _replace(value: Any, ids: dict[str, str]) -> None:  # noqa: ANN401  # JSON, or what is no body at all
    if isinstance(value, list):
        for item in value:
            _replace(item, ids)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name in ids and isinstance(member, str):
                value[name] = ids[name]
            else:
                _replace(member, ids)
