"""The payment provider of `shelfwise up`: the sandbox, unless the environment names another."""

import hashlib
import hmac
import os
from collections.abc import Mapping

from operations.servers.installation import Installation
from operations.servers.ports import choose_port
from operations.up.children import ChildSpec

PROVIDER_URL_VARIABLE = "SHELFWISE_PAYMENT_PROVIDER_URL"
_SECRET_VARIABLES = ("SHELFWISE_PAYMENT_PROVIDER_KEY", "SHELFWISE_PAYMENT_CALLBACK_SECRET")
_CALLBACK_PATH = "/api/v1/provider-callbacks/payments"


def provider_variables(installation: Installation) -> dict[str, str]:
    """Where the provider is and what opens it, for the worker that asks it and the API that hears from it."""
    if os.environ.get(PROVIDER_URL_VARIABLE):
        names = (PROVIDER_URL_VARIABLE, *_SECRET_VARIABLES)
        return {name: os.environ[name] for name in names if os.environ.get(name)}
    return {
        PROVIDER_URL_VARIABLE: f"http://127.0.0.1:{choose_port(None)}",
        **{name: f"sandbox_{_derived(installation, name)}" for name in _SECRET_VARIABLES},
    }


def sandbox(installation: Installation, variables: Mapping[str, str], *, api_url: str) -> ChildSpec | None:
    """The sandbox's process; None where the environment names a provider."""
    if os.environ.get(PROVIDER_URL_VARIABLE):
        return None
    return ChildSpec(
        name="sandbox provider",
        module="operations.sandbox_provider",
        variables={
            **{name: variables[name] for name in _SECRET_VARIABLES},
            "SHELFWISE_SANDBOX_PORT": variables[PROVIDER_URL_VARIABLE].rpartition(":")[2],
            "SHELFWISE_SANDBOX_LEDGER": f"{installation.data_dir / 'sandbox-provider.sqlite'}",
            "SHELFWISE_SANDBOX_CALLBACK_URL": f"{api_url}{_CALLBACK_PATH}",
            "SHELFWISE_LOG_LEVEL": os.environ.get("SHELFWISE_LOG_LEVEL", "warning"),
        },
    )


def _derived(installation: Installation, name: str) -> str:
    """The same at every start, and nothing from which the installation's own secret could be told."""
    return hmac.new(installation.secret_key.encode(), name.encode(), hashlib.sha256).hexdigest()
