"""compose.yaml says what it should, as far as that can be seen without an engine to run it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest
import yaml

from read_side.live.settings import LiveSettings

CHECKOUT = Path(__file__).resolve().parents[2]
# YAML has no schema here: `docker compose config` knows it, where there is one.
Service: TypeAlias = dict[str, object]

ROLE_OF = {
    "write-api": "shelfwise_write_api",
    "read-api": "shelfwise_read_api",
    "projector": "shelfwise_projector",
    "reactions": "shelfwise_reactions",
    "migrate": "postgres",
    "archive": "postgres",
}
SERVICES = {
    "postgres",
    "valkey",
    "migrate",
    "write-api",
    "read-api",
    "projector",
    "reactions",
    "operations-api",
    "gateway",
    "sandbox",
    "archive",
}
RUN_ONCE = {"migrate", "archive"}


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    """The services, with YAML's merges resolved."""
    composed = yaml.safe_load((CHECKOUT / "compose.yaml").read_text(encoding="utf-8"))
    found: dict[str, Service] = composed["services"]
    return found


def test_the_client_accepts_it() -> None:
    """By the compose schema and with the example's variables."""
    if shutil.which("docker") is None or subprocess.run(["docker", "compose", "version"], check=False).returncode != 0:
        pytest.skip("no docker client with the compose plugin on this machine")
    subprocess.run(
        ["docker", "compose", "--env-file", ".env.example", "config", "--quiet"], cwd=CHECKOUT, check=True, timeout=60
    )


def test_it_follows_the_compose_specification() -> None:
    """By the published schema, which needs no engine; a key it does not know is refused."""
    assert _validated(CHECKOUT / "compose.yaml") == 0


def test_the_schema_would_catch_a_mistake(tmp_path: Path) -> None:
    """The same file with one key misspelt."""
    broken = tmp_path / "compose.yaml"
    text = (CHECKOUT / "compose.yaml").read_text(encoding="utf-8")
    broken.write_text(text.replace("healthcheck:", "heathcheck:", 1), encoding="utf-8")
    assert _validated(broken) == 1


def _validated(path: Path) -> int:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", f"{path}"]
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode


def test_the_deployables_are_there(services: dict[str, Service]) -> None:
    """The ones that the architecture names."""
    assert set(services) == SERVICES


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_watched_and_restarted_and_not_root(services: dict[str, Service], name: str) -> None:
    """Those that run once are watched by who waits for their success."""
    service = services[name]
    healthcheck = service["healthcheck"]
    assert isinstance(healthcheck, dict)
    assert ("test" in healthcheck) is (name not in RUN_ONCE)
    assert service["restart"]
    assert f"{service['user']}".partition(":")[0] not in {"0", "root"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_waits_for_what_exists(services: dict[str, Service], name: str) -> None:
    """And for it to be healthy, or done."""
    waits = services[name].get("depends_on", {})
    assert isinstance(waits, dict)
    for other, how in waits.items():
        done = "service_completed_successfully" if other == "migrate" else "service_healthy"
        assert how == {"condition": done}
        assert other in services


@pytest.mark.parametrize("name", sorted(ROLE_OF))
def test_a_service_logs_in_as_itself_alone(services: dict[str, Service], name: str) -> None:
    """Its URLs have its role, and it knows no other role's password."""
    environment = services[name]["environment"]
    assert isinstance(environment, dict)
    urls = {variable: value for variable, value in environment.items() if variable.endswith("_DATABASE_URL")}
    assert urls
    for variable, value in urls.items():
        parts = urlsplit(re.sub(r"\$\{(\w+):\?\}", r"\1", value))
        assert parts.username == ROLE_OF[name]
        assert parts.path == ("/shelfwise_write" if "WRITE" in variable else "/shelfwise_read")
    if name not in RUN_ONCE:
        role = ROLE_OF[name].removeprefix("shelfwise_").upper()
        known = set(re.findall(r"SHELFWISE_PASSWORD_(\w+?):\?", f"{environment}"))
        assert known == {role, "REDIS"}


def test_who_reads_the_log_reads_its_older_part(services: dict[str, Service]) -> None:
    """And nobody but the archiver writes there, into a folder that the image gives to its user."""
    mounts = {name: mount for name, one in services.items() for mount in _mounts(one) if "archive:" in mount}
    read = "archive:/srv/archive:ro"
    assert mounts == {"projector": read, "reactions": read, "operations-api": read, "archive": read.removesuffix(":ro")}
    environment = services["archive"]["environment"]
    assert isinstance(environment, dict)
    assert environment["SHELFWISE_ARCHIVE_URL"] == "file:///srv/archive"
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    made = re.search(r"install --directory --owner 10001 --group 10001 --mode 0700 (.*)", dockerfile)
    assert made is not None
    folders = {mount.split(":")[1] for one in ("archive", "sandbox") for mount in _mounts(services[one])}
    assert set(made[1].split()) == folders


def test_nobody_starts_the_sandbox_unasked(services: dict[str, Service]) -> None:
    """It takes no money: only the demonstration has it, and the archiver runs only when it is told to."""
    profiles = {name: one.get("profiles") for name, one in services.items() if "profiles" in one}
    assert profiles == {"sandbox": ["demo"], "archive": ["archive"]}


def _mounts(service: Service) -> list[str]:
    mounts = service.get("volumes", [])
    assert isinstance(mounts, list)
    return mounts


def test_operators_log_in_as_operators_and_command_as_the_write_api(services: dict[str, Service]) -> None:
    """Only the write API's role may append to a log; no other role's password is known there."""
    environment = services["operations-api"]["environment"]
    assert isinstance(environment, dict)
    roles = {
        variable: urlsplit(re.sub(r"\$\{(\w+):\?\}", r"\1", value)).username
        for variable, value in environment.items()
        if variable.endswith("_DATABASE_URL")
    }
    assert roles == {
        "SHELFWISE_WRITE_DATABASE_URL": "shelfwise_operator",
        "SHELFWISE_READ_DATABASE_URL": "shelfwise_operator",
        "SHELFWISE_COMMAND_DATABASE_URL": "shelfwise_write_api",
    }
    assert set(re.findall(r"SHELFWISE_PASSWORD_(\w+?):\?", f"{environment}")) == {"OPERATOR", "WRITE_API", "REDIS"}


@pytest.mark.parametrize(
    ("path", "is_operators"),
    [("/api/v1/operations/keys", True), ("/console", True), ("/console/console.js", True), ("/consoles", False)],
)
def test_the_gateway_sends_operators_to_theirs(path: str, is_operators: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """By path, before it looks at the method."""
    configuration = (CHECKOUT / "deploy/gateway.conf").read_text(encoding="utf-8")
    pattern = re.search(r"location ~ (\S+) \{\n\s+proxy_pass http://operations_api;", configuration)
    assert pattern is not None
    assert bool(re.search(pattern[1], path)) is is_operators


def test_the_gateway_holds_no_event_back() -> None:
    """A stream is passed on as it comes, and may be silent for several heartbeats."""
    configuration = (CHECKOUT / "deploy/gateway.conf").read_text(encoding="utf-8")
    stream = re.search(r"location = /api/v1/live \{(.*?)\n    \}", configuration, flags=re.DOTALL)
    assert stream is not None
    assert "proxy_buffering off;" in stream[1]
    assert "gzip off;" in stream[1]
    silent = re.search(r"proxy_read_timeout (\d+)s;", stream[1])
    assert silent is not None
    assert int(silent[1]) >= 3 * LiveSettings().heartbeat_seconds


def test_every_variable_is_in_the_example() -> None:
    """And the example has none that nothing reads."""
    used = set(re.findall(r"\$\{(\w+)", (CHECKOUT / "compose.yaml").read_text(encoding="utf-8")))
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    assert used == set(re.findall(r"^(\w+)=", example, flags=re.MULTILINE))


def test_the_gateway_routes_by_method_to_services_that_exist(services: dict[str, Service]) -> None:
    """GET, HEAD and OPTIONS are the read side's, everything else the write side's."""
    configuration = (CHECKOUT / "deploy/gateway.conf").read_text(encoding="utf-8")
    routes = re.search(r"map \$request_method \$side \{(.*?)\}", configuration, flags=re.DOTALL)
    assert routes is not None
    table = dict(re.findall(r"(\w+)\s+(\w+);", routes.group(1)))
    assert table == {"default": "write_api", "GET": "read_api", "HEAD": "read_api", "OPTIONS": "read_api"}
    assert (
        set(re.findall(r"server ([\w-]+):8000", configuration))
        == {"read-api", "write-api", "operations-api"}
        < set(services)
    )


def test_the_image_is_not_roots_and_installs_by_hash() -> None:
    """The last USER counts; every installation names a hashed lock or fetches nothing."""
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (\S+)$", dockerfile, flags=re.MULTILINE)[-1] == "10001:10001"
    commands = re.findall(r"pip (?:install|wheel) [^&\n]*", dockerfile)
    assert commands
    for command in commands:
        assert "--require-hashes" in command or "--no-deps" in command


def test_every_room_that_runs_is_in_the_image() -> None:
    """What .dockerignore lets through and the Dockerfile copies is what the wheel is made of."""
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    line = re.search(r"^packages = \[(.*)\]$", project, flags=re.MULTILINE)
    assert line is not None
    rooms = set(re.findall(r'"(\w+)"', line.group(1)))
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    ignored = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8")
    assert rooms == set(re.findall(r"^COPY (\w+) \1$", dockerfile, flags=re.MULTILINE))
    assert rooms <= set(re.findall(r"^!(\w+)$", ignored, flags=re.MULTILINE))
