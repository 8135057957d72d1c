"""The contract as it is served: the merged document as a file, and a page to read it that loads nothing else."""

from collections.abc import Iterator
from html import escape
from typing import Final

import msgspec
from litestar import Response, get
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler

from shared_kernel.access.roles import PUBLIC
from shared_kernel.http.openapi_parts import Json
from shared_kernel.http.routes import declare

_CACHE: Final = {"Cache-Control": "public, max-age=300"}
_PAGE_FIELDS: Final = {
    **_CACHE,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
}
_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0}
summary{cursor:pointer;padding:.5rem .8rem;font-family:ui-monospace,monospace}
details>div{padding:0 1rem 1rem}code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:var(--soft);padding:.8rem;border-radius:.5rem;overflow-x:auto}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid var(--line)}
b.m{display:inline-block;min-width:4.5rem}.get{color:#1a7f5a}.post{color:#2563c9}.patch,.put{color:#b06a00}.delete{color:#c22}
"""


def schema_handlers(document: bytes) -> list[HTTPRouteHandler]:
    """`/schema` and `/schema/openapi.json`.

    Args:
        document: the built, merged document, JSON.
    """
    page = render_page(msgspec.json.decode(document)).encode()

    @get("/schema/openapi.json", opt=declare(policy=PUBLIC), include_in_schema=False)
    async def openapi_json() -> Response[bytes]:
        return Response(document, media_type=MediaType.JSON, headers=_CACHE)

    @get("/schema", opt=declare(policy=PUBLIC), include_in_schema=False)
    async def reference_page() -> Response[bytes]:
        return Response(page, media_type=MediaType.HTML, headers=_PAGE_FIELDS)

    return [openapi_json, reference_page]


def render_page(document: Json) -> str:
    """The document as one HTML page."""
    info = document["info"]
    operations = "".join(
        _operation(document, path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    )
    schemas = "".join(
        f'<details id="{escape(name)}"><summary>{escape(name)}</summary><div>{_pretty(schema)}</div></details>'
        for name, schema in sorted(document["components"].get("schemas", {}).items())
    )
    title = escape(info["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}</h1><p>Version {escape(info['version'])} · "
        f'<a href="/schema/openapi.json" download>OpenAPI {escape(document["openapi"])} document</a></p>'
        f"<h2>Operations</h2>{operations}<h2>Schemas</h2>{schemas}</body></html>"
    )


def _operation(document: Json, path: str, method: str, operation: Json) -> str:
    roles = ", ".join(operation.get("x-roles", [])) or "everybody"
    summary = escape(operation.get("summary", ""))
    verb = f'<b class="m {escape(method)}">{escape(method.upper())}</b>'
    return (
        f"<details><summary>{verb} {escape(path)} — {summary}</summary>"
        f"<div><p>{escape(operation.get('description', ''))}</p><p>Roles: {escape(roles)}.</p>"
        f"<table><tr><th>Parameter</th><th>In</th><th></th></tr>{''.join(_parameters(document, operation))}</table>"
        f"{_request_body(operation)}"
        f"<table><tr><th>Status</th><th></th></tr>{''.join(_responses(operation))}</table></div></details>"
    )


def _parameters(document: Json, operation: Json) -> Iterator[str]:
    for entry in operation.get("parameters", []):
        name = entry.get("$ref", "").rpartition("/")[2]
        parameter = document["components"]["parameters"][name] if name else entry
        required = " (required)" if parameter.get("required") else ""
        yield (
            f"<tr><td><code>{escape(parameter['name'])}</code>{required}</td><td>{escape(parameter['in'])}</td>"
            f"<td>{escape(parameter.get('description', ''))}</td></tr>"
        )


def _request_body(operation: Json) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return "".join(
        f"<p>Body: {_link(media['schema'])}, <code>{escape(kind)}</code></p>" for kind, media in content.items()
    )


def _responses(operation: Json) -> Iterator[str]:
    for status, response in operation["responses"].items():
        links = ", ".join(_link(media.get("schema", {})) for media in response.get("content", {}).values())
        yield f"<tr><td>{escape(status)}</td><td>{escape(response.get('description', ''))} {links}</td></tr>"


def _link(schema: Json) -> str:
    name = escape(str(schema.get("$ref", "")).rpartition("/")[2])
    return f'<a href="#{name}">{name}</a>' if name else _pretty(schema)


def _pretty(schema: Json) -> str:
    return f"<pre>{escape(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())}</pre>"
