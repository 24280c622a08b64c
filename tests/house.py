"""Reads the sources under ``watcher/`` and reports every breach of the house rules: file, line, rule.

Nothing is imported or run; imports are read from the syntax tree, so those inside functions and ``TYPE_CHECKING``
blocks count too. test_house.py keeps the real tree clean and proves each rule on planted breaches.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

# Top floor first. A unit is a package or a group of top-level modules that stand for one; it may import the units of
# lower floors and itself, never a neighbour. The patterns name what stands directly below watcher/.
FLOORS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"cli": ("cli", "cli_*", "__main__")},
    {"daemon": ("daemon", "daemon_*", "scheduler", "alignment")},
    {"nightly": ("nightly", "nightly_*")},
    {"sandbox": ("sandbox",), "record": ("record",)},
    {"replay": ("replay",), "web": ("web",), "audit": ("audit",)},
    {"cycle": ("cycle", "cycle_*", "observe", "post", "reconcile", "backfill")},
    {"aws": ("aws",), "store": ("store",), "telemetry": ("telemetry",)},
    {"ports": ("ports",), "config": ("config", "config_*")},
    {"core": ("core",)},
    {"clock": ("clock",), "errors": ("errors",)},
)
HEIGHT = {unit: -floor for floor, units in enumerate(FLOORS) for unit in units}
ROOT = "watcher"  # the package itself: holds the version, imports nothing of ours

ADAPTERS = frozenset({"aws", "store", "telemetry"})
CHOOSERS = frozenset({"cli", "daemon", "replay", "sandbox"})  # who may decide which adapter stands behind a port

# Import name of a library (or its prefix with *) -> the places below watcher/ that may import it.
HOMES: dict[str, tuple[str, ...]] = {
    "boto3": ("aws/*", "store/dynamodb.py", "sandbox/*"),
    "botocore": ("aws/*", "store/dynamodb.py", "sandbox/*"),
    "mypy_boto3_*": ("aws/*", "store/dynamodb.py", "sandbox/*"),
    "apscheduler": ("daemon*.py", "scheduler.py"),
    "moto": ("sandbox/*",),
    "flask": ("sandbox/*",),
    "werkzeug": ("sandbox/*",),
    "prometheus_client": ("telemetry/*",),
    "structlog": ("telemetry/*",),
    "sqlite3": ("store/*",),
    "typer": ("cli*.py",),
    "click": ("cli*.py",),
    "rich": ("cli*.py",),
    "waitress": ("web/*",),
    "jinja2": ("web/*",),
    "markupsafe": ("web/*",),
    "pydantic": ("config*.py",),
    "pydantic_core": ("config*.py",),
    "cronsim": ("config_cron.py",),
    "matplotlib": ("replay/plot.py",),
}
# What pure code may need of the standard library: data structures, arithmetic and calendars, nothing that reads the
# world. datetime is here for its arithmetic; its clock calls are caught by the clock rule.
PURE = frozenset(
    "__future__ abc array base64 bisect calendar collections copy dataclasses datetime "  # noqa: SIM905 - a word list
    "decimal enum fnmatch fractions functools hashlib heapq hmac itertools math operator re statistics string struct "
    "textwrap types typing".split()
)
IMPURE_BUILTINS = frozenset({"open", "input", "exec", "eval", "compile", "__import__"})

CLOCK_HOME = "clock.py"
CLOCK_CALLS = frozenset(
    f"time.{name}{suffix}"
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")
    for suffix in ("", "_ns")
) | {
    "time.sleep",
    "asyncio.sleep",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
}

FUNCTION_LINES = 70
FILE_LINES = 500
# The rule's own pattern, not a note to anybody: what must not be left in a comment or a string.
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


@dataclass(frozen=True, slots=True, order=True)
class Breach:
    """One breach. path is relative to the tree's root, with forward slashes."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Module:
    """One source file. name: dotted; place: path below watcher/; unit: "" when no floor knows it."""

    path: str
    place: str
    name: str
    is_package: bool
    unit: str
    text: str
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class Edge:
    """One imported name: ``module`` is what the statement names, ``member`` what it takes from there, or ""."""

    line: int
    module: str
    member: str

    @property
    def dotted(self) -> str:
        return f"{self.module}.{self.member}" if self.member else self.module


def breaches(root: Path) -> list[Breach]:
    """Every breach in ``root/watcher``, sorted by file and line."""
    found: list[Breach] = []
    for path in sorted((root / "watcher").rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            found.append(Breach(relative, error.lineno or 1, f"cannot be parsed: {error.msg}"))
            continue
        found += _of_module(_module(relative, text, tree))
    return sorted(set(found))


def _module(relative: str, text: str, tree: ast.Module) -> Module:
    parts = relative.removesuffix(".py").split("/")
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return Module(relative, relative.removeprefix("watcher/"), name, is_package, unit_of(name), text, tree)


def unit_of(name: str) -> str:
    """The unit of a dotted module name: ``watcher.aws.client`` -> ``aws``; "" when no floor knows it."""
    parts = name.split(".")
    if len(parts) == 1:
        return ROOT
    for floor in FLOORS:
        for unit, patterns in floor.items():
            if any(fnmatchcase(parts[1], pattern) for pattern in patterns):
                return unit
    return ""


def _of_module(module: Module) -> Iterator[Breach]:
    if not module.unit:
        top = ".".join(module.name.split(".")[:2])
        yield Breach(module.path, 1, f"{top} stands on no floor; place it in FLOORS of tests/house.py")
    edges = list(_edges(module))
    aliases = _aliases(module)
    for edge in edges:
        yield from (Breach(module.path, edge.line, rule) for rule in _import_rules(module, edge))
    for node in ast.walk(module.tree):
        line = getattr(node, "lineno", 1)
        yield from (Breach(module.path, line, rule) for rule in _node_rules(module, node, aliases))
    yield from (Breach(module.path, line, rule) for line, rule in _shape_rules(module))


# Imports ------------------------------------------------------------------------------------------------------------


def _edges(module: Module) -> Iterator[Edge]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (Edge(node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _source(module, node)
            yield from (Edge(node.lineno, source, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and _is_import_call(node.func):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Edge(node.lineno, first.value, "")


def _is_import_call(function: ast.expr) -> bool:
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    return name in {"import_module", "__import__"}


def _source(module: Module, node: ast.ImportFrom) -> str:
    """The absolute module a ``from`` statement names."""
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    ups = node.level - 1 if module.is_package else node.level
    base = package[: len(package) - ups]
    return ".".join([*base, node.module] if node.module else base)


def _aliases(module: Module) -> dict[str, str]:
    """Local name -> dotted origin, for every import of the file, wherever it stands."""
    known: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            known |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            known |= {a.asname or a.name: f"{_source(module, node)}.{a.name}" for a in node.names}
    return known


def _import_rules(module: Module, edge: Edge) -> Iterator[str]:
    library = edge.module.split(".")[0]
    if library == ROOT:
        yield from _floor_rules(module, edge)
        return
    if module.unit == "core" and library not in PURE:
        yield f"core may not import {library}; it is pure: standard library only, from PURE in tests/house.py"
    homes = next((homes for name, homes in HOMES.items() if fnmatchcase(library, name)), None)
    if homes is not None:
        if not any(fnmatchcase(module.place, home) for home in homes):
            yield f"{library} is imported outside its home ({', '.join(homes)})"
    elif library not in sys.stdlib_module_names:
        yield f"{library} is a library without a home; name its places in HOMES of tests/house.py"
    if edge.dotted in CLOCK_CALLS and module.place != CLOCK_HOME:
        yield f"{edge.dotted} outside watcher/clock.py; take a Clock"


# The page shows what telemetry gathered: plain immutable values, no adapter is chosen by importing them.
READ_MODELS = {("web", "watcher.telemetry.health"), ("web", "watcher.telemetry.snapshot")}


def _floor_rules(module: Module, edge: Edge) -> Iterator[str]:
    # ``from watcher import clock`` names the unit in its member; from any deeper module the unit is in the module.
    target = unit_of(edge.dotted) or (ROOT if edge.module == ROOT else "")
    mine = module.unit
    if target == ROOT:
        if mine == "core":
            yield "core imports nothing of ours outside core"
        return
    if not target:
        yield f"{edge.module} stands on no floor; place it in FLOORS of tests/house.py"
        return
    if not mine or target == mine:
        return
    if mine == ROOT:
        yield f"the package itself imports {edge.module}; it imports nothing of ours"
    elif mine == "core":
        yield f"core imports {edge.module}; core imports nothing of ours outside core"
    elif HEIGHT[target] > HEIGHT[mine]:
        yield f"{mine} imports {edge.dotted} from a higher floor; imports point down only"
    elif HEIGHT[target] == HEIGHT[mine]:
        yield f"{mine} imports {edge.dotted} from its own floor; neighbours do not know each other"
    elif target in ADAPTERS and mine not in CHOOSERS and (mine, edge.module) not in READ_MODELS:
        yield f"{mine} imports the adapter {edge.dotted}; only {', '.join(sorted(CHOOSERS))} choose adapters"


# Names and shapes ---------------------------------------------------------------------------------------------------


def _node_rules(module: Module, node: ast.AST, aliases: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Name | ast.Attribute):
        origin = _origin(node, aliases)
        if origin in CLOCK_CALLS and module.place != CLOCK_HOME:
            yield f"{origin} outside watcher/clock.py; take a Clock"
    if isinstance(node, ast.Name) and node.id not in aliases:
        if node.id == "print" and module.unit != "cli":
            yield "print outside cli; log through ports.Telemetry"
        if node.id in IMPURE_BUILTINS and module.unit == "core":
            yield f"{node.id} in core; core is pure"
    if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
        yield "NotImplementedError raised; finish it or leave it out"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            yield f"function {node.name} has {length} lines; at most {FUNCTION_LINES}"


def _origin(node: ast.Name | ast.Attribute, aliases: dict[str, str]) -> str:
    """The dotted origin of a name or attribute chain that starts at an import, or ""."""
    tail: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        tail.insert(0, inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name) or inner.id not in aliases:
        return ""
    return ".".join([aliases[inner.id], *tail])


def _shape_rules(module: Module) -> Iterator[tuple[int, str]]:
    lines = module.text.splitlines()
    if len(lines) > FILE_LINES:
        yield FILE_LINES + 1, f"file has {len(lines)} lines; at most {FILE_LINES}"
    # Comments and strings only: a constant may well be called what the pattern looks for, like advice's WHAT_TO_DO.
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING} and (word := UNFINISHED.search(token.string)):
            yield token.start[0], f"{word.group()} left in the source; finish it or leave it out"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and _is_protocol(node):
            continue
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and _is_stub(child):
                yield child.lineno, f"function {child.name} is a stub; only Protocol methods have no body"


def _is_protocol(node: ast.ClassDef) -> bool:
    return any("Protocol" in ast.unparse(base) for base in node.bases)


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if any(ast.unparse(decorator).endswith(("overload", "abstractmethod")) for decorator in node.decorator_list):
        return False
    statement = node.body[-1]
    return (
        len(node.body) <= 2
        and isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and statement.value.value is Ellipsis
    )
