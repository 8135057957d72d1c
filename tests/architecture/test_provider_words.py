"""No word of a payment provider outside its adapter: neither a name, nor an import, nor a path of its API."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.lint import CHECKOUT

_WORDS = ("stripe", "payment_intent", "paymentintent")
# The adapters themselves; and the sandbox, which is a provider and speaks as one.
_MAY_SPEAK = ("write_side/payments/providers/", "operations/sandbox_provider/")
_ROOMS = ("write_side", "shared_kernel", "projections", "read_side", "operations", "migrations")


def breaches(path: Path, text: str) -> Iterator[str]:
    """Every place in a file that speaks a provider's language; comments and docstrings may say what they mean."""
    tree = ast.parse(text)
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }
    for node in ast.walk(tree):
        if id(node) in documented:
            continue
        for said in _said(node):
            if any(word in said.lower() for word in _WORDS):
                yield f"{path}:{getattr(node, 'lineno', 1)}: {said[:60]}"


def _said(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.alias(name=name, asname=asname):
            return [name, asname or ""]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case ast.Constant(value=str(text)):
            return [text]
        case _:
            return []


def test_only_the_adapter_speaks_the_provider_s_language() -> None:
    """A second provider is a second folder beside it, and nothing else."""
    found: list[str] = []
    for room in _ROOMS:
        for path in sorted((CHECKOUT / room).rglob("*.py")):
            relative = path.relative_to(CHECKOUT).as_posix()
            if not relative.startswith(_MAY_SPEAK):
                found += breaches(Path(relative), path.read_text(encoding="utf-8"))
    assert found == []


@pytest.mark.parametrize(
    "planted",
    [
        "import stripe",
        "from write_side.payments.providers.stripe.words import PaymentIntent",
        "def to_stripe(): ...",
        "class StripeError(Exception): ...",
        "path = '/v1/payment_intents'",
        "gateway.payment_intent_id",
        "call(payment_intent=1)",
    ],
)
def test_a_planted_word_is_seen(planted: str) -> None:
    """Each kind of place in which it could stand."""
    assert list(breaches(Path("planted.py"), planted))
