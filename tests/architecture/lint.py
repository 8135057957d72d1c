"""The project's own rules that no ready-made linter knows: `python -m tests.architecture.lint`."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

ROOMS = ("migrations", "operations", "projections", "read_side", "shared_kernel", "tests", "write_side")
CHECKOUT = Path(__file__).resolve().parents[2]

# Who ends a transaction for good. Migrations and the tests stand outside the running system.
_MAY_COMMIT = ("write_side/command_execution", "write_side/reactions/", "projections/runtime", "migrations/", "tests/")
# Who reaches the database without naming a tenant: the ways themselves, and what works across tenants.
_MAY_CROSS_TENANTS = (
    "shared_kernel/database/",
    "write_side/reactions/",
    "projections/",
    "operations/",
    "migrations/",
    "tests/",
)
# Whose SQL is built from a schema and not from data: both sides' runtimes, DDL, and the servers' own administration.
_MAY_BUILD_SQL = ("projections/runtime/", "read_side/query_execution/", "migrations/", "operations/servers/", "tests/")

_SQL = re.compile(
    r"^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|WITH\s+\S+\s+AS\s|MERGE\s+INTO\s"
    r"|CREATE\s+|ALTER\s+|DROP\s+|TRUNCATE\s+|GRANT\s+|SET\s+(LOCAL\s+)?\w+\.)"
    r"|\s(WHERE|ORDER\s+BY|FROM)\s",
)
_COMMIT = re.compile(r"(^|;)\s*COMMIT\b")
_CONSTANT = re.compile(r"^_?[A-Z][A-Z0-9_]*$")

_MAX_FILE_LINES = 300
_MAX_FUNCTION_LINES = 50


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One breach of one rule."""

    rule: str
    path: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.why}"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One file, parsed; `path` is relative to the checkout."""

    path: str
    tree: ast.Module
    lines: int

    def is_in(self, places: tuple[str, ...]) -> bool:
        """Whether the file lies below one of the places."""
        return self.path.startswith(places)

    def finding(self, rule: str, node: ast.AST, why: str) -> Finding:
        """A breach at a node of this file."""
        return Finding(rule=rule, path=self.path, line=getattr(node, "lineno", 1), why=why)


def check_checkout(checkout: Path) -> list[Finding]:
    """Every breach in the rooms of a checkout, in the order of files."""
    paths = sorted(path for room in ROOMS for path in (checkout / room).rglob("*.py"))
    return [finding for path in paths for finding in check_file(path, checkout)]


def check_file(path: Path, checkout: Path) -> list[Finding]:
    """Every breach in one file."""
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(checkout).as_posix()
    source = Source(path=relative, tree=ast.parse(text), lines=text.count("\n"))
    lines = text.splitlines()
    return [finding for rule in RULES for finding in rule(source) if not _is_allowed(finding.rule, lines, finding.line)]


def stray_commit(source: Source) -> Iterator[Finding]:
    """Only command execution and the two runtimes commit: everything else is part of their transaction."""
    if source.is_in(_MAY_COMMIT):
        return
    for node in _code(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="commit")):
                yield source.finding("stray-commit", node, "only command_execution and the projection runtime commit")
            case ast.withitem(context_expr=ast.Call(func=ast.Attribute(attr="transaction" | "begin"), args=[]) as call):
                yield source.finding("stray-commit", call, "leaving this block commits: use the kernel's transaction()")
            case ast.Constant(value=str(text)) if _COMMIT.search(text):
                yield source.finding("stray-commit", node, "only command_execution and the projection runtime commit")


def built_sql(source: Source) -> Iterator[Finding]:
    """SQL is bound: what a function puts into its text is a constant or a UUID; what is built on import is fixed."""
    if source.is_in(_MAY_BUILD_SQL):
        return
    functions = (node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in _code(source.tree):
        if id(node) in inside and _is_formatted(node):
            yield source.finding("built-sql", node, "bind the value ($1) instead of formatting it into the SQL")


def session_without_tenant(source: Source) -> Iterator[Finding]:
    """Who answers a client reaches the database in the name of a tenant, and in no other way."""
    if source.is_in(_MAY_CROSS_TENANTS):
        return
    for node in _code(source.tree):
        match node:
            case ast.Call(func=ast.Name(id="transaction") | ast.Attribute(attr="transaction"), keywords=keywords):
                tenants = [keyword.value for keyword in keywords if keyword.arg == "tenant_id"]
                if not tenants or (isinstance(tenants[0], ast.Constant) and tenants[0].value is None):
                    yield source.finding("session-without-tenant", node, "name the tenant: transaction(tenant_id=…)")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncpg"), attr="connect" | "create_pool")):
                yield source.finding("session-without-tenant", node, "connections come from the kernel's pool")


def view_reaches_out(source: Source) -> Iterator[Finding]:
    """Views know neither each other nor, in their shape, anything but the kernel."""
    parts = Path(source.path).parts
    if parts[0] != "read_side" or len(parts) < len(("read_side", "view", "file.py")):
        return
    for node, module in _imports(source.tree):
        names = module.split(".")
        if parts[-1] == "view.py" and names[0] in ROOMS and names[0] != "shared_kernel":
            yield source.finding("view-reaches-out", node, "a view's shape stands on the kernel alone")
        elif names[0] == "read_side" and _is_view(names) and names[1] != parts[1] and _is_view([*parts[:2], parts[-1]]):
            yield source.finding("view-reaches-out", node, f"{parts[1]} and {names[1]} are independent views")


def too_long(source: Source) -> Iterator[Finding]:
    """A file past 300 lines becomes a folder; a function past 50 becomes two."""
    if source.lines > _MAX_FILE_LINES:
        yield source.finding("too-long", source.tree, f"{source.lines} lines: past {_MAX_FILE_LINES}, make it a folder")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            lines = (node.end_lineno or node.lineno) - first.lineno + 1
            if lines > _MAX_FUNCTION_LINES:
                yield source.finding("too-long", node, f"{node.name} has {lines} lines: past {_MAX_FUNCTION_LINES}")


RULES: tuple[Callable[[Source], Iterator[Finding]], ...] = (
    stray_commit,
    built_sql,
    session_without_tenant,
    view_reaches_out,
    too_long,
)

_PARTS_OF_A_VIEW = {"view", "queries", "endpoints", "view.py", "queries.py", "endpoints.py"}


def _is_allowed(rule: str, lines: list[str], line: int) -> bool:
    """Whether the line, or the one above, carries `# allowed: <rule> - <reason>`."""
    nearby = lines[max(0, line - 2) : line]
    return any(re.search(rf"# allowed: {rule} - \w", text) for text in nearby)


def _is_view(names: list[str]) -> bool:
    return len(names) > len(("read_side", "view")) and names[-1] in _PARTS_OF_A_VIEW


def _code(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node but docstrings, which may speak of anything."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return (node for node in ast.walk(tree) if id(node) not in docstrings)


def _imports(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module


def _literal_text(node: ast.JoinedStr) -> str:
    return "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "x" for part in node.values
    )


def _is_fixed(node: ast.JoinedStr) -> bool:
    return all(_is_harmless(part.value) for part in node.values if isinstance(part, ast.FormattedValue))


def _is_harmless(value: ast.expr) -> bool:
    match value:
        case ast.Name(id=name):
            return _CONSTANT.match(name) is not None
        case ast.Attribute(attr=name, value=owner):
            return _CONSTANT.match(name) is not None or _is_harmless(owner)
        case ast.Call(func=ast.Name(id="UUID")):
            # Hexadecimal digits and dashes, whatever came in.
            return True
        case _:
            return False


def _is_formatted(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr():
            return _SQL.search(_literal_text(node)) is not None and not _is_fixed(node)
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()):
            return _SQL.search(text) is not None
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add(), right=right):
            return _SQL.search(text) is not None and not isinstance(right, ast.Constant) and not _is_harmless(right)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return _SQL.search(text) is not None
        case _:
            return False


def main() -> None:
    """Print every breach in this checkout; exit 1 if there is one."""
    findings = check_checkout(CHECKOUT)
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
