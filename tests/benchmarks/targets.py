"""Rows of `build/TARGET.json`: what was measured, against what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `target` None: reported, not judged; then `met` is None too."""

    name: str
    value: float
    unit: str
    low: float
    high: float
    n: int
    target: float | None
    met: bool | None
    command: str


def publish(rows: Sequence[Row], path: Path) -> None:
    """Print the rows as a table, and keep them."""
    table = Table(title=str(path), title_justify="left")
    for name in ("name", "value", "low", "high", "n", "target", "met"):
        table.add_column(name)
    for row in rows:
        target = "-" if row.target is None else f"{row.target:g}"
        met = "-" if row.met is None else "yes" if row.met else "NO"
        table.add_row(
            row.name, f"{row.value:.3g} {row.unit}", f"{row.low:.3g}", f"{row.high:.3g}", str(row.n), target, met
        )
    Console().print(table)
    keep(rows, path)


def keep(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as a list of JSON objects, in place of those of the same name and command; all others stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = {(row.command, row.name) for row in rows}
    others = msgspec.json.decode(path.read_bytes(), type=list[Row]) if path.exists() else []
    kept = [row for row in others if (row.command, row.name) not in fresh]
    path.write_bytes(msgspec.json.format(msgspec.json.encode([*kept, *rows])) + b"\n")
