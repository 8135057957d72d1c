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
    return re.sub(r"\$\{(\w+):\?\}", lambda found: values[found.group(1)], text)
