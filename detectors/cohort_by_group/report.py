"""What `cohort_by_group` says of a window: the group that speaks loudest, with its size, its interval and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from detectors import engine, two_arms
from detectors.cohort_by_group import state, tallies
from detectors.cohort_by_group.state import CohortByGroupParams, CohortByGroupState
from detectors.cohort_by_group.tallies import GROUPS, OTHER, TOP, Groups
from detectors.columns import Bools, Floats
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.increments import ratio
from detectors.math import dyadic
from detectors.math.intervals import normal_mixture_radius
from detectors.two_arms import N0, N1

LEVEL = 0.95
FULL = f"groups of enough people to be watched by themselves are watched together: only the {TOP} largest have a place"
_NAMES = ("exposed_n", "exposed_sum", "exposed_squares", "holdout_n", "holdout_sum", "holdout_squares")


def tell(
    ps: Sequence[CohortByGroupParams],
    s: CohortByGroupState,
    known: Sequence[Groups | None],
    folded: Sequence[int],
    verdict: engine.Verdict,
    tick: Tick,
    informative: Bools,
) -> list[Evidence]:
    """`s` still holds what an alert that ended in this window was resolved by."""
    recent, _, offered = dyadic.at_least(s.spans, verdict.lasted)
    views = {"since_start": s.total, "recent": recent.reshape(-1, GROUPS, 6), "fresh": s.fresh}
    modes = engine.modes(s.bank)
    told = []
    for row, p in enumerate(ps):
        base, groups = engine.evidence(verdict, tick, modes, row), known[row]
        if groups is None:
            told.append(_learning(p, s, row, base))
            continue
        kind = "since_start"
        if base.crossing is not Crossing.NONE:
            kind = "recent"
        elif base.mode is Mode.RECOVERING:
            kind = "fresh"
        group = int(s.accused[row]) if s.accused[row] >= 0 else _worst(s, row)
        if min(views[kind][row, group, [N1, N0]]) < 1:
            kind = "since_start"
        chosen = 1 if kind == "fresh" else GROUPS
        alpha = (1.0 - LEVEL) / chosen / (int(offered[row]) if kind == "recent" else 1)
        filled = _filled(p, base, views[kind][row, group], kind, alpha)
        looks = int(offered[row]) if kind == "recent" else 1
        harmed = np.flatnonzero(beyond(p, views[kind][row], (1.0 - LEVEL) / GROUPS / looks)).tolist()
        said = _standing(filled, bool(informative[row]), views, row, groups, group, harmed)
        crowded = {"folded_exposures": folded[row]} | ({"folded": FULL} if folded[row] else {})
        told.append(msgspec.structs.replace(said, detail=said.detail | crowded))
    return told


def beyond(p: CohortByGroupParams, sums: Floats, alpha: float) -> Bools:
    """Groups that lie beyond the margin with their whole interval, each missing with a chance of `alpha`; (GROUPS,)."""
    exposed, held = two_arms.means(sums)
    side, margin = (-1.0 if p.better == "higher" else 1.0), p.page_if_worse_by * held
    error = two_arms.standard_error(sums)
    known = np.isfinite(error) & (error > 0)
    se = np.where(known, error, 1.0)
    radius = normal_mixture_radius(se, np.maximum(margin, se), alpha)
    worse: Bools = known & (side * (exposed - held) - radius > margin)
    return worse


def _worst(s: CohortByGroupState, row: int) -> int:
    spoken = np.logaddexp(s.bank.warn[row], s.bank.page[row]).reshape(GROUPS, ratio.BETS)
    return int(np.argmax(np.logaddexp.reduce(spoken, axis=1)))


def _learning(p: CohortByGroupParams, s: CohortByGroupState, row: int, base: Evidence) -> Evidence:
    gathered = state.gathered(s.gathered[row])
    exposed, held_out = tallies.units(gathered)
    reason = (
        f"learning which groups there are: {exposed + held_out:,} of {p.learn_units:,} units, "
        f"{held_out:,} of {p.min_holdout:,} held out"
    )
    sums = tallies.in_all(gathered).tolist()
    detail = {f"since_start_{name}": v for name, v in zip(_NAMES, sums, strict=True)}
    counted = msgspec.structs.replace(base, n={"exposed": exposed, "holdout": held_out}, detail=detail)
    if base.standing is not Standing.OK:
        return counted
    return msgspec.structs.replace(counted, standing=Standing.INSUFFICIENT, reason=reason)


def _filled(p: CohortByGroupParams, base: Evidence, sums: Floats, kind: str, alpha: float) -> Evidence:
    m1, m0 = (float(m[0]) for m in two_arms.means(sums[None]))
    n1, n0 = int(sums[N1]), int(sums[N0])
    if not n1 or not n0:
        return msgspec.structs.replace(base, n={"exposed": n1, "holdout": n0})
    se = two_arms.standard_error(sums[None])
    margin = p.page_if_worse_by * m0
    radius = float(normal_mixture_radius(se, np.maximum(margin, se), alpha)[0])
    effect = m1 - m0
    return msgspec.structs.replace(
        base,
        n={"exposed": n1, "holdout": n0},
        arms={"exposed": m1, "holdout": m0},
        effect=effect,
        relative=effect / m0 if m0 > 0 else None,
        interval=Interval(
            low=effect - radius,
            high=effect + radius,
            level=LEVEL,
            kind=kind,
            formula="normal_mixture",
            inputs={"se": float(se[0]), "tau": max(margin, float(se[0])), "alpha": float(alpha)},
        )
        if np.isfinite(radius)
        else None,
        unit="per unit",
        margin=margin,
        detail={"page_if_worse_by": p.page_if_worse_by, "better": p.better},
    )


def _standing(
    evidence: Evidence,
    informative: bool,
    views: dict[str, Floats],
    row: int,
    groups: Groups,
    group: int,
    harmed: Sequence[int],
) -> Evidence:
    detail: dict[str, Any] = evidence.detail | {
        "group": _name(groups, group),
        "groups": {
            _name(groups, cell): {"exposed": int(sums[N1]), "holdout": int(sums[N0])}
            for cell, sums in enumerate(views["since_start"][row])
            if cell < len(groups.ids) or (cell == TOP and sums[[N1, N0]].sum() > 0)
        },
        "harmed": [_name(groups, cell) for cell in harmed],
        "too_small": [str(text) for text in groups.small],
    }
    detail |= {
        f"{kind}_{name}": float(v)
        for kind, view in views.items()
        for name, v in zip(_NAMES, view[row, group], strict=True)
    }
    if evidence.crossing is not Crossing.NONE or evidence.mode is Mode.RECOVERING:
        others = [name for name in detail["harmed"] if name != detail["group"]]
        beside = f"; as badly off: {', '.join(others)}" if others else ""
        return msgspec.structs.replace(evidence, reason=f"the group is {detail['group']}{beside}", detail=detail)
    if not informative and evidence.standing is Standing.OK:
        return msgspec.structs.replace(
            evidence, standing=Standing.STALE, reason="no new unit came in this window", detail=detail
        )
    return msgspec.structs.replace(evidence, detail=detail)


def _name(groups: Groups, cell: int) -> str:
    return str(groups.texts[cell]) if cell < len(groups.texts) else OTHER
