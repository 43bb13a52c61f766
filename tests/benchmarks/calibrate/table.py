"""The calibration as one compact Markdown table: a procedure a line, marginal means over the fractional design."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.benchmarks.calibrate.cells import LEVELS
from tests.benchmarks.calibrate.delays import Delay
from tests.benchmarks.calibrate.false_alarms import PROMISE, Measured


def false_alarms(measured: Sequence[Measured]) -> str:
    """False pages a stream for what promises something; alarms per 20,000 healthy events (or share of streams) for the rest.

    Detectors that told nothing anywhere share one line.
    """
    head = ["procedure", "promise", "worst cell", "covered", *(str(level) for level in LEVELS)]
    procedures: dict[str, list[Measured]] = {}
    for m in measured:
        procedures.setdefault(m.procedure, []).append(m)
    silent = [name for name, own in procedures.items() if not any(m.rate or m.covered is not None for m in own)]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [_line(name, own) for name, own in procedures.items() if name not in silent]
    if silent:
        lines.append(_line(", ".join(silent), [m for name in silent for m in procedures[name]]))
    note = (
        f"Detectors with a promise: false pages a stream, of which at most {PROMISE:g} was spent; standard error a fifth "
        "of the promise. The others: alarms per 20,000 healthy events; for cohorts the share of streams with an alarm."
    )
    return "\n".join([*lines, "", note])


def _line(name: str, own: Sequence[Measured]) -> str:
    worst = max(own, key=lambda m: m.rate - (m.promise or 0.0))
    promised = [m.promise for m in own if m.promise]
    shown = [m for m in own if m.covered is not None]
    cells = [
        name,
        f"{np.mean(promised):.2g}" if promised else "none",
        f"{worst.rate:.3g}",
        f"{np.average([m.covered or 0.0 for m in shown], weights=[m.shown for m in shown]):.3f}" if shown else "",
    ]
    for level in LEVELS:
        there = [m.rate for m in own if level in m.levels]
        cells.append(f"{np.mean(there):.3g}" if there else "")
    return f"| {' | '.join(cells)} |"


def delays(measured: Sequence[Delay]) -> str:
    """Mean windows to the page beside what it is measured against."""
    lines = ["| detector | change | margins | against | windows | theirs | ratio |", f"|{'---|' * 7}"]
    lines += [
        f"| {d.detector} | {d.change} | {d.margins:.3g} | {d.against} | {d.ours:.1f} | {d.other:.1f} "
        f"| {d.ratio:.2f} ± {d.error:.2f} |"
        for d in measured
    ]
    return "\n".join(lines)
