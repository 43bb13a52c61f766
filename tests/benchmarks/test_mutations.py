"""The list of rules and their guards: whole, the same in CONTRIBUTING.md, and able to fail."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.benchmarks.mutations import MUTATIONS, noticed

ROOT = Path(__file__).parents[2]


def test_contributing_lists_every_rule_with_its_guard() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for m in MUTATIONS:
        assert f"| {m.rule} | {m.broken} | `{m.guard}` |" in text


def test_every_guard_is_a_test() -> None:
    for m in MUTATIONS:
        file, _, name = m.guard.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, m.guard


def test_a_broken_rule_turns_its_guard_red() -> None:
    """Two cheap ones; `make mutate` breaks all."""
    for rule in ("evidence is kept as logarithms", "a small arm's variance is pooled"):
        assert noticed([m.rule for m in MUTATIONS].index(rule)), rule
