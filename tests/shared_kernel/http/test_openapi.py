"""The document says of each operation what its declaration enforces."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from shared_kernel.errors import InvalidError, ShelfWiseError
from shared_kernel.http.openapi import DocumentConflictError, build_document, merge_documents
from shared_kernel.http.openapi_schemas import AmbiguousNameError, short_name, with_short_names
from shared_kernel.http.problems import STATUS_OF_KIND, problem_of
from shared_kernel.http.schema_page import schema_handlers
from tests.shared_kernel.http.small_store import HANDLERS, SmallStore, fail, revise, sell, show


class KeyWornOut(InvalidError):
    """Of one side."""

    code = "key_worn_out"
    title = "The key is worn out"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Of all the small store's routes."""
    return build_document(HANDLERS, title="Small <store>", version="1")


def _names(document: dict[str, Any], path: str, method: str) -> dict[str, bool]:
    found = {}
    for entry in document["paths"][path][method]["parameters"]:
        name = entry.get("$ref", "").rpartition("/")[2]
        parameter = document["components"]["parameters"][name] if name else entry
        found[parameter["name"]] = parameter["required"]
    return found


def test_a_command_documents_its_headers_and_problems(document: dict[str, Any]) -> None:
    """And asks for a key."""
    operation = document["paths"]["/sales"]["post"]
    assert operation["security"] == [{"bearer": []}]
    assert operation["x-roles"] == ["clerk", "manager", "owner"]
    assert _names(document, "/sales", "post") == {
        "X-Request-Id": False,
        "traceparent": False,
        "Idempotency-Key": True,
        "ShelfWise-Dry-Run": False,
    }
    expected = {"200", "201", "400", "401", "403", "406", "408", "409", "413", "415", "422", "429", "500", "503"}
    assert set(operation["responses"]) == expected
    assert set(operation["responses"]["201"]["headers"]) >= {"Location", "ETag", "ShelfWise-Position", "X-Request-Id"}
    assert "`isbn_taken`" in operation["responses"]["409"]["description"]
    assert "`idempotency_key_required`" in operation["responses"]["400"]["description"]
    for status, response in operation["responses"].items():
        if status >= "4":
            assert response["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }
    assert "Retry-After" in operation["responses"]["503"]["headers"]
    assert "RateLimit" in operation["responses"]["429"]["headers"]


def test_a_revision_documents_its_precondition(document: dict[str, Any]) -> None:
    """412 and 428."""
    assert _names(document, "/sales/{sale_id}", "patch")["If-Match"] is True
    assert {"404", "412", "428"} <= set(document["paths"]["/sales/{sale_id}"]["patch"]["responses"])


def test_a_query_documents_its_freshness(document: dict[str, Any]) -> None:
    """And no body's problems."""
    operation = document["paths"]["/sales/{sale_id}"]["get"]
    assert set(_names(document, "/sales/{sale_id}", "get")) == {
        "sale_id",
        "times",
        "X-Request-Id",
        "traceparent",
        "ShelfWise-Min-Position",
        "Prefer",
        "If-None-Match",
    }
    assert set(operation["responses"]) == {"200", "304", "400", "401", "403", "404", "406", "422", "429", "500", "503"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Nothing dangles."""
    references = set(_references(document))
    assert references
    for reference in references:
        _, kind, name = reference.removeprefix("#/").split("/")
        assert name in document["components"][kind], reference


def test_a_request_body_is_closed_and_a_tuple_is_a_list_of_one_kind(document: dict[str, Any]) -> None:
    """What Litestar leaves open would let a client send what is refused."""
    schemas = document["components"]["schemas"]
    assert schemas["Sell"]["additionalProperties"] is False
    assert schemas["Line"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Sold"]
    assert schemas["Sell"]["properties"]["lines"]["items"] == {"$ref": "#/components/schemas/Line"}
    assert repr(schemas["Line"]["properties"]["quantity"]["maximum"]) == "100"


@pytest.mark.parametrize("kind", STATUS_OF_KIND, ids=lambda kind: kind.__name__)
def test_problems_fit_their_schema(document: dict[str, Any], kind: type[ShelfWiseError]) -> None:
    """Of every kind."""
    error = kind.__new__(kind)
    ShelfWiseError.__init__(error, "In words.")
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    problem = msgspec.json.decode(msgspec.json.encode(problem_of(error, instance="/x")))
    assert list(Draft202012Validator(schema).iter_errors(problem)) == []


def test_a_dry_run_and_a_merge_patch_are_documented(document: dict[str, Any]) -> None:
    """A dry run names no place and answers 200 whatever the command's own status."""
    responses = document["paths"]["/sales"]["post"]["responses"]
    assert "Location" in responses["201"]["headers"]
    assert "Location" not in responses["200"]["headers"]
    assert responses["200"]["content"] == responses["201"]["content"]
    patched = document["paths"]["/sales/{sale_id}"]["patch"]["requestBody"]["content"]
    assert set(patched) == {"application/json", "application/merge-patch+json"}


def test_a_named_error_is_documented_where_its_header_is() -> None:
    """Errors of one side follow from what an operation takes."""
    document = build_document(
        HANDLERS, title="Small", version="1", errors_of_parameters={"Idempotency-Key": (KeyWornOut,)}
    )
    assert "`key_worn_out`" in document["paths"]["/sales"]["post"]["responses"]["422"]["description"]
    assert "key_worn_out" not in str(document["paths"]["/sales/{sale_id}"]["get"])


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("Edition", "Edition"),
        ("Envelope_list_read_side.stock_levels.view.Stock_", "EnvelopeListStock"),
        ("Compared_shared_kernel.money.SignedMoney_None_", "ComparedSignedMoneyOrNull"),
        ("Compared_float_None_", "ComparedFloatOrNull"),
    ],
)
def test_a_schema_s_name_says_no_module(long: str, short: str) -> None:
    """So that it stays when its struct moves."""
    assert short_name(long) == short


def test_two_schemas_of_one_short_name_are_refused() -> None:
    """One of them would be lost."""
    names = ("Page_read_side.a.Row_", "Page_read_side.b.Row_")
    with pytest.raises(AmbiguousNameError, match="PageRow"):
        with_short_names({"components": {"schemas": {name: {"type": "object"} for name in names}}})


def test_what_one_side_closes_the_other_may_show() -> None:
    """A body's struct is closed; the same struct in an answer is no contradiction."""
    write = build_document([sell], title="Small", version="1")
    read = build_document([show], title="Small", version="1")
    read["components"]["schemas"]["Line"] = {
        name: value for name, value in write["components"]["schemas"]["Line"].items() if name != "additionalProperties"
    }
    merged = merge_documents(write, read)
    assert merged["components"]["schemas"]["Line"]["additionalProperties"] is False


def test_two_operations_of_one_name_do_not_merge() -> None:
    """A client's generated methods would collide."""
    write = build_document([sell], title="Small", version="1")
    read = build_document([show], title="Small", version="1")
    read["paths"]["/sales/{sale_id}"]["get"]["operationId"] = write["paths"]["/sales"]["post"]["operationId"]
    with pytest.raises(DocumentConflictError, match="are both called"):
        merge_documents(write, read)


def test_two_sides_merge_where_they_agree() -> None:
    """Same path, other methods; shared schemas once."""
    write = build_document([sell, revise], title="Small", version="1")
    read = build_document([show, fail], title="Small", version="1")
    merged = merge_documents(write, read)
    assert set(merged["paths"]["/sales/{sale_id}"]) == {"get", "patch"}
    assert merged["components"]["schemas"]["Problem"] == read["components"]["schemas"]["Problem"]
    assert list(merged["paths"]) == sorted(merged["paths"])


def test_two_sides_that_contradict_each_other_do_not_merge() -> None:
    """The same operation, another meaning of a name, or another name for a path's parameter."""
    write = build_document([sell], title="Small", version="1")
    with pytest.raises(DocumentConflictError, match="post"):
        merge_documents(write, write)
    other = build_document([show], title="Small", version="1")
    other["components"]["schemas"]["Line"] = {"type": "string"}
    with pytest.raises(DocumentConflictError, match="Line"):
        merge_documents(write, other)
    renamed = build_document([revise], title="Small", version="1")
    renamed["paths"] = {"/sales/{id}": renamed["paths"]["/sales/{sale_id}"]}
    with pytest.raises(DocumentConflictError, match="differently"):
        merge_documents(renamed, build_document([show], title="Small", version="1"))


async def test_the_document_and_its_page_are_served_without_a_key(document: dict[str, Any]) -> None:
    """The page loads nothing from elsewhere, and what it shows is escaped."""
    encoded = msgspec.json.encode(document)
    store = SmallStore(handlers=[*HANDLERS, *schema_handlers(encoded)])
    async with store.client() as client:
        assert (await client.get("/schema/openapi.json")).content == encoded
        page = await client.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Small &lt;store&gt;" in page.text
    assert "/sales/{sale_id}" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
