"""What is said of a window of `calibration`: the score bin whose gap moved most for its margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import engine
from detectors.columns import Bools, Floats, Ints
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.labelled import gaps, learning
from detectors.labelled.learning import Labels
from detectors.labelled.reading import BINS
from detectors.math.intervals import normal_mixture_radius
from detectors.views import LEVEL, Views


@dataclass(frozen=True)
class Shown(Views):
    """Sums (W, WIDTH) that a figure may be taken from.

    came (W,): votes of this window; worst (W,): the pair that the open alert is about.
    """

    reference: Floats
    came: Floats
    margin: Floats
    worst: Ints
    blind: Bools


def report(
    bank: engine.Bank, labels: Labels, views: Shown, verdict: engine.Verdict, tick: Tick, progress: Sequence[str]
) -> list[Evidence]:
    """One evidence a watch; `progress`: what learning still lacks."""
    modes = engine.modes(bank)
    told = []
    for row, lacks in enumerate(progress):
        base = engine.evidence(verdict, tick, modes, row)
        if views.blind[row]:
            base = msgspec.structs.replace(base, reason=learning.why_biased(labels, row))
        told.append(_evidence(labels, views, base, row, lacks))
    return told


def _evidence(labels: Labels, views: Shown, base: Evidence, row: int, lacks: str) -> Evidence:
    learns = base.mode is Mode.LEARNING
    kind, sums, alpha = views.told(base, row)
    now, before = gaps.moments(sums[None]), gaps.moments(views.reference[row : row + 1])
    moved = (now.mean - before.mean)[0]
    place = _moved_most(views, base, moved, now.n[0], row)
    se = gaps.error_of_change(sums[None], views.reference[row : row + 1])[:, place]
    half = float(normal_mixture_radius(se, views.margin[row, place], alpha / BINS)[0])
    n = int(now.n[0, place])
    known = n > 0 and not learns
    effect = float(moved[place]) if known else None
    standing, reason = base.standing, base.reason
    if standing is Standing.OK and learns:
        standing, reason = Standing.INSUFFICIENT, lacks
    elif standing is Standing.OK and not views.came[row]:
        standing, reason = Standing.STALE, "no prediction of this window has a label"
    edge = gaps.edges(labels)[row]
    if standing is Standing.OK and known:
        reason = (
            f"of predictions from {edge[place]:.3g} to {edge[place + 1]:.3g}, {now.predicted[0, place]:.2%} on average, "
            f"{now.observed[0, place]:.2%} came true; {before.observed[0, place]:.2%} in the reference"
        )
    return msgspec.structs.replace(
        base,
        standing=standing,
        reason=reason,
        n={"now": n if known else 0, "reference": int(before.n[0, place])},
        arms={"predicted": float(now.predicted[0, place]), "observed": float(now.observed[0, place])} if known else {},
        effect=effect,
        unit="share",
        interval=Interval(
            low=effect - half,
            high=effect + half,
            level=LEVEL,
            kind=kind,
            formula="normal_mixture",
            inputs={
                "se": float(se[0]),
                "tau": float(views.margin[row, place]),
                "alpha": alpha / BINS,
            },
        )
        if effect is not None and np.isfinite(half)
        else None,
        margin=None if learns else float(views.margin[row, place]),
        detail={
            "score_bin": [float(edge[place]), float(edge[place + 1])],
            "reference_gap": float(before.mean[0, place]),
            "calibration_error": _error(now),
            "calibration_error_reference": _error(before),
            "interval_error": alpha / BINS,
        }
        | learning.figures(labels, row),
    )


def _error(seen: gaps.Moments) -> float:
    """The expected calibration error: the mean over all votes of their bin's absolute gap (Naeini, Cooper and Hauskrecht 2015)."""
    return float(np.sum(seen.n * np.abs(seen.mean)) / max(float(seen.n.sum()), 1.0))


def _moved_most(views: Shown, base: Evidence, moved: Floats, n: Floats, row: int) -> int:
    if base.mode is Mode.RECOVERING or base.crossing is Crossing.RECOVERED:
        return int(views.worst[row]) // gaps.SIDES
    return int(np.argmax(np.where(n > 0, np.abs(moved) / views.margin[row], -1.0)))
