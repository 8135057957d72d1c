"""compose.yaml against what the deployables really read, and what it must not show."""

import re
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
import yaml

from operations.api.app import OperationsSettings
from operations.sandbox_provider.__main__ import SandboxSettings
from projections.worker import ProjectorSettings
from read_side.app import ReadApiSettings
from shared_kernel.settings import read_settings
from write_side.app import WriteApiSettings
from write_side.worker import ReactionsSettings

CHECKOUT = Path(__file__).resolve().parents[2]
# YAML has no schema here; test_containers.py holds the file against the published one.
Service: TypeAlias = dict[str, object]

SETTINGS_OF: dict[str, type[msgspec.Struct]] = {
    "write-api": WriteApiSettings,
    "read-api": ReadApiSettings,
    "projector": ProjectorSettings,
    "operations-api": OperationsSettings,
    "reactions": ReactionsSettings,
    "sandbox": SandboxSettings,
}
# What a deployable reads and no service passes, and why its default is right in a container.
_PROCESS = {"log_format": "`auto`: no terminal, so JSON", "parent_pid": "only `shelfwise up` has children"}
_LIMITS = dict.fromkeys(("tenant_per_minute", "key_per_minute", "address_per_minute"), "the contract's limits")
_WORKER = _PROCESS | {
    "probe_port": "the healthcheck asks there",
    "lease_seconds": "what the alerts' times are made for",
    "idle_in_transaction_seconds": "goes with the lease",
}
DEFAULTED: dict[str, dict[str, str]] = {
    "write-api": _LIMITS
    | {
        "write_pool_size": "fits the server's max_connections",
        "webhooks_allow_loopback": "for development only",
        "log_format": _PROCESS["log_format"],
    },
    "read-api": _LIMITS | {"log_format": _PROCESS["log_format"]},
    "operations-api": _LIMITS
    | {
        "processes": "operators' limits are each process's own",
        "live_interval_seconds": "a look a second",
        "log_format": _PROCESS["log_format"],
    },
    "projector": _WORKER
    | {
        "build_grace_seconds": "long enough for any reader",
        "rebuild_processes": "its share of the cores",
        "projections_from": "for tests and measurements",
    },
    "reactions": _WORKER
    | {
        "webhooks_allow_loopback": "for development only",
        "payment_provider_timeout_seconds": "within the lease of an operation",
    },
    "sandbox": _PROCESS,
}


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    """The services, with YAML's merges resolved."""
    found: dict[str, Service] = _composed()["services"]
    return found


@pytest.mark.parametrize("name", sorted(SETTINGS_OF))
def test_a_service_gets_the_settings_that_it_reads(services: dict[str, Service], name: str) -> None:
    """Complete and valid; nothing is passed that the deployable does not read, a secret least of all."""
    variables = _filled_in(services[name])
    fields = msgspec.structs.fields(SETTINGS_OF[name])
    assert set(variables) <= {f"SHELFWISE_{field.name.upper()}" for field in fields}
    read_settings(SETTINGS_OF[name], variables)


@pytest.mark.parametrize("name", sorted(SETTINGS_OF))
def test_every_variable_that_a_service_reads_is_passed_or_rightly_left_out(
    services: dict[str, Service], name: str
) -> None:
    """A setting that is added is passed to its container, or has a default and a reason here."""
    fields = {field.name: field for field in msgspec.structs.fields(SETTINGS_OF[name])}
    passed = {variable.removeprefix("SHELFWISE_").lower() for variable in _filled_in(services[name])}
    assert fields.keys() - passed == DEFAULTED[name].keys()
    assert not any(fields[left].required for left in DEFAULTED[name])


def test_who_asks_for_money_and_who_hears_of_it_know_the_same_provider(services: dict[str, Service]) -> None:
    """The worker's key is the sandbox's, and the command API believes its callbacks; each from one variable."""
    reactions, sandbox, api = (services[name]["environment"] for name in ("reactions", "sandbox", "write-api"))
    assert isinstance(reactions, dict)
    assert isinstance(sandbox, dict)
    assert isinstance(api, dict)
    key, secret = "SHELFWISE_PAYMENT_PROVIDER_KEY", "SHELFWISE_PAYMENT_CALLBACK_SECRET"
    assert reactions[key] == sandbox[key] == f"${{{key}:-}}"
    assert api[secret] == sandbox[secret] == f"${{{secret}:-}}"
    assert sandbox["SHELFWISE_SANDBOX_CALLBACK_URL"].startswith("http://write-api:8000/")


@pytest.mark.parametrize("name", ["write-api", "read-api"])
def test_the_apis_believe_their_gateway_and_share_the_limits_out(services: dict[str, Service], name: str) -> None:
    """Else every client behind the gateway would share one address, and an outage of Redis double each limit."""
    (network,) = _composed()["networks"]["default"]["ipam"]["config"]
    variables = _filled_in(services[name])
    assert ip_network(variables["SHELFWISE_TRUSTED_PROXIES"]) == ip_network(_with_example(network["subnet"]))
    assert variables["SHELFWISE_PROCESSES"] == "2"


def test_no_command_line_has_a_password(services: dict[str, Service]) -> None:
    """Every process of the host can read them; health checks are commands too."""
    for name, service in services.items():
        shown = f"{service.get('command')} {service['healthcheck']}"
        assert not re.search(r"(?<!\$)\$\{\w*(PASSWORD|SECRET)", shown), name


def test_valkey_takes_its_password_from_standard_input(services: dict[str, Service], tmp_path: Path) -> None:
    """The very command, with a program in Valkey's place that shows what it is given."""
    shown = tmp_path / "valkey-server"
    shown.write_text('#!/bin/sh\necho "$@"; cat\n')
    shown.chmod(0o755)
    command = services["valkey"]["command"]
    assert isinstance(command, list)
    done = subprocess.run(
        [part.replace("$$", "$") for part in command],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "REDISCLI_AUTH": "s3cret"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    arguments, configuration = done.stdout.splitlines()
    assert "s3cret" not in arguments
    assert configuration == "requirepass s3cret"


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/health/live", "/health/ready/", "/health"])
def test_the_gateway_shows_nobody_what_machines_ask(path: str) -> None:
    """With a slash at the end too: the APIs answer to both."""
    configuration = (CHECKOUT / "deploy/gateway.conf").read_text(encoding="utf-8")
    closed = re.findall(r"location ~ (\S+)\s+\{ return 404; \}", configuration)
    assert any(re.search(pattern, path) for pattern in closed)
    assert not any(re.search(pattern, "/api/v1/orders") for pattern in closed)


def _composed() -> Any:  # noqa: ANN401 - YAML has no schema here
    return yaml.safe_load((CHECKOUT / "compose.yaml").read_text(encoding="utf-8"))


def _filled_in(service: Service) -> dict[str, str]:
    """A service's environment with the example's values."""
    environment = service["environment"]
    assert isinstance(environment, dict)
    return {name: _with_example(f"{value}") for name, value in environment.items()}


def _with_example(text: str) -> str:
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"^(\w+)=(.*)$", example, flags=re.MULTILINE))
    return re.sub(r"\$\{(\w+):(?:\?|-[^}]*)\}", lambda found: values[found.group(1)], text)
