"""Prometheus' own promtool tests the alert rules, where it is installed; and no rule goes without such a test."""

import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.alerts.rules import CHECKOUT, rules

_DEPLOY = CHECKOUT / "deploy"
_PROMTOOL = shutil.which("promtool")


def test_every_alert_is_silent_then_fires_then_is_silent() -> None:
    """In the cases that promtool is given."""
    cases: list[dict[str, Any]] = yaml.safe_load((_DEPLOY / "alerts_test.yaml").read_text(encoding="utf-8"))["tests"]
    assert [case["name"] for case in cases] == list(rules())
    for case in cases:
        steps = case["alert_rule_test"]
        assert {step["alertname"] for step in steps} == {case["name"]}
        assert [bool(step["exp_alerts"]) for step in steps] == [False, True, False]


@pytest.mark.skipif(_PROMTOOL is None, reason="promtool is not on PATH: Debian's package prometheus has it")
@pytest.mark.parametrize(
    "arguments", [("test", "rules", "alerts_test.yaml"), ("check", "config", "prometheus.yaml")], ids=" ".join
)
def test_prometheus_itself_agrees(arguments: tuple[str, ...]) -> None:
    """On what the rules do, and on the example of its settings."""
    assert _PROMTOOL is not None
    done = subprocess.run([_PROMTOOL, *arguments], cwd=_DEPLOY, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
