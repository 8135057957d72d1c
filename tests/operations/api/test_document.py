"""The operators' contract: as the routes are, and served to operators."""

import msgspec

from operations.api.document import DOCUMENT_FILE, build_operations_document
from tests.builders.operations_api import Operator


def test_the_document_is_what_the_routes_say() -> None:
    """`make contract` makes it again."""
    assert DOCUMENT_FILE.read_bytes() == build_operations_document()


def test_every_operation_is_the_operators() -> None:
    """And says what it answers."""
    document = msgspec.json.decode(DOCUMENT_FILE.read_bytes())
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len(operations) >= 25
    assert {operation["x-access-policy"] for operation in operations} == {"operate"}
    for operation in operations:
        assert any(status.startswith("2") for status in operation["responses"])
        assert {"401", "403"} <= operation["responses"].keys()


async def test_the_document_is_served(operator: Operator) -> None:
    """At …/schema."""
    assert (await operator.get("/schema")).content == DOCUMENT_FILE.read_bytes()
