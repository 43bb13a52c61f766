"""Imports point one way, and every library that touches the world has one home."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS: list[tuple[str, tuple[str, ...]]] = [
    ("detectors", ("detectors",)),
    (
        "ground",
        (
            "monitor",
            "monitor.events",
            "monitor.clock",
            "monitor.metrics",
            "monitor.changes",
            "monitor.logs",
            "monitor.client",
        ),
    ),
    (
        "pure rooms",
        ("monitor.ingest", "monitor.join", "monitor.watch", "monitor.alerting", "monitor.web", "monitor.settings"),
    ),
    ("store protocol", ("monitor.store",)),
    ("engine", ("monitor.engine", "monitor.memory")),
    ("turns", ("monitor.turns", "monitor.rereading")),
    (
        "daemon, relay",
        (
            "monitor.daemon",
            "monitor.heartbeat",
            "monitor.following",
            "monitor.reload",
            "monitor.retiring",
            "monitor.relay",
            "monitor.retention",
            "monitor.replay",
            "monitor.references",
            "monitor.selfwatch",
        ),
    ),
    ("references", ("monitor.references", "monitor.warmup")),
    (
        "app",
        (
            "monitor.app",
            "monitor.demo",
            "monitor.demo_loop",
            "monitor.simulate",
            "monitor.xray",
            "monitor.testing",
            "monitor.service",
        ),
    ),
    ("cli", ("monitor.cli",)),
]
"""Lowest first. A module belongs to the longest of these names that it begins with; it may import its own layer and lower ones."""

ADAPTERS = (
    "monitor.ingest.via_*",
    "monitor.store.via_*",
    "monitor.store.migrations",
    "monitor.alerting.via_*",
    "monitor.web.server",
)
"""Named by the app layer alone; beside it, only parts of the same adapter may import each other."""

HOMES: dict[str, tuple[str, ...]] = {
    "kafka": ("monitor.ingest.via_kafka",),
    "sqlalchemy": ("monitor.store.via_sql", "monitor.store.migrations"),
    "alembic": ("monitor.store.via_sql", "monitor.store.migrations"),
    "apprise": ("monitor.alerting.via_apprise",),
    "requests": (
        "monitor.alerting.via_apprise",
        "monitor.alerting.via_http",
        "monitor.ingest.via_kafka.token_endpoint",
    ),
    "ruamel": ("monitor.settings",),
    "typer": ("monitor.cli",),
    "rich": ("monitor.cli",),
    "prometheus_client": ("monitor.metrics",),
    "structlog": ("monitor.logs",),
    "matplotlib": ("monitor.alerting.plot",),
    "pyarrow": ("monitor.ingest.via_files",),
    "river": ("detectors.river_bank",),
    "http.server": ("monitor.web.server",),
    "scipy.stats": (),
}
"""A package and the modules (or what begins with them) that may import it; nobody, what takes a third of a command's start."""

FREE = frozenset({"numpy", "scipy", "msgspec", "pydantic", "pydantic_core", "annotated_types"})
"""Libraries that compute and touch nothing."""

NOT_IN_DETECTORS = frozenset(
    {"asyncio", "datetime", "http", "io", "logging", "multiprocessing", "os", "pathlib", "pickle", "shutil", "socket"}
    | {"sqlite3", "subprocess", "tempfile", "threading", "time", "urllib"}
)
"""No I/O, no clock, no logging, and nothing that executes stored bytes."""


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _sources() -> dict[str, Path]:
    return {_module(p): p for room in ("detectors", "monitor") for p in sorted((ROOT / room).rglob("*.py"))}


SOURCES = _sources()


@cache
def _imports(path: Path) -> tuple[str, ...]:
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    """Full names, also those imported inside functions and for type checkers; `from a import b` is a.b if that is a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            base = node.module or ""
            for alias in node.names:
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in SOURCES else base


def _inside(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")


def _layer(module: str) -> int:
    found = [
        (len(name), rank)
        for rank, (_, names) in enumerate(LAYERS)
        for name in names
        if module == name or (name != "monitor" and module.startswith((f"{name}.", f"{name}_")))
    ]
    assert found, f"{module} belongs to no room: give it a layer in tests/laws/test_imports.py"
    return max(found)[1]


def _adapter(module: str) -> str | None:
    """The adapter a module is part of, by its name, or None."""
    parts = module.split(".")
    for pattern in ADAPTERS:
        wanted = pattern.split(".")
        own = parts[: len(wanted)]
        if len(own) == len(wanted) and all(
            w == o or (w.endswith("*") and o.startswith(w[:-1])) for w, o in zip(wanted, own, strict=True)
        ):
            return "monitor.store.via_sql" if pattern == "monitor.store.migrations" else ".".join(own)
    return None


every_module = pytest.mark.parametrize("module", sorted(SOURCES))


@every_module
def test_imports_point_one_way(module: str) -> None:
    for imported in _imports(SOURCES[module]):
        if imported.split(".")[0] in ("detectors", "monitor"):
            assert _layer(imported) <= _layer(module), f"{module} imports {imported}, which lies above it"


@every_module
def test_an_adapter_is_named_by_the_app_alone(module: str) -> None:
    for imported in _imports(SOURCES[module]):
        adapter = _adapter(imported)
        if adapter is not None and _adapter(module) != adapter:
            named_by = LAYERS[_layer(module)][0]
            assert named_by == "app", f"{module} ({named_by}) imports {imported}: only the app layer names adapters"


@every_module
def test_a_library_that_touches_the_world_is_imported_at_home(module: str) -> None:
    for imported in _imports(SOURCES[module]):
        for package, homes in HOMES.items():
            if _inside(imported, package):
                assert any(module == home or module.startswith((f"{home}.", f"{home}_")) for home in homes), (
                    f"{module} imports {imported}; its home is {', '.join(homes) or 'nowhere'}"
                )


@every_module
def test_every_library_is_known_here(module: str) -> None:
    known = FREE | HOMES.keys() | {"detectors", "monitor"} | sys.stdlib_module_names
    for imported in _imports(SOURCES[module]):
        assert imported.split(".")[0] in known, f"{module} imports {imported}, which has no home in this test"


@pytest.mark.parametrize("module", sorted(m for m in SOURCES if _inside(m, "detectors")))
def test_a_detector_reads_no_clock_and_does_no_io(module: str) -> None:
    for imported in _imports(SOURCES[module]):
        assert imported.split(".")[0] not in NOT_IN_DETECTORS, f"{module} imports {imported}"


@pytest.mark.parametrize(
    ("module", "adapter"),
    [
        ("monitor.ingest.via_kafka.source", "monitor.ingest.via_kafka"),
        ("monitor.store.migrations.env", "monitor.store.via_sql"),
        ("monitor.web.server", "monitor.web.server"),
        ("monitor.web.page", None),
        ("monitor.store.protocols", None),
    ],
)
def test_adapters_are_told_by_their_names(module: str, adapter: str | None) -> None:
    assert _adapter(module) == adapter
