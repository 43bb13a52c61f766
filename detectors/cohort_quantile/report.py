"""What `cohort_quantile` says of a window."""

from __future__ import annotations

import msgspec
import numpy as np

from detectors.cohort_quantile.state import (
    CUTS,
    LEVEL,
    NAMES,
    RAREST,
    CohortQuantileParams,
    CohortQuantileState,
    moved_most,
    shares,
    signs,
    unpacked,
)
from detectors.columns import Floats
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.math.intervals import empirical_cdf_radius, normal_mixture_radius


def _standard_error(sums: Floats, cut: int) -> float:
    """Of the difference of shares: the larger of the pooled and the separate one; see `cohort_bounded`."""
    n1, n0 = max(sums[0], 1.0), max(sums[1 + CUTS], 1.0)
    k1, k0 = sums[1 + cut], sums[2 + CUTS + cut]
    both, p1, p0 = (k1 + k0) / (n1 + n0), k1 / n1, k0 / n0
    pooled = both * (1.0 - both) * (1.0 / n1 + 1.0 / n0)
    return float(np.sqrt(max(pooled, p1 * (1.0 - p1) / n1 + p0 * (1.0 - p0) / n0)))


def beyond(p: CohortQuantileParams, sums: Floats, margin: Floats, looks: float) -> bool:
    """Whether at some cut the exposed are worse off than `margin` (CUTS,) allows, by sums (WIDTH,), with the whole interval."""
    if min(sums[0], sums[1 + CUTS]) < 1:
        return False
    exposed, held = shares(sums)
    se = np.array([_standard_error(sums, cut) for cut in range(CUTS)])
    radius = normal_mixture_radius(se, np.maximum(margin, se), (1.0 - LEVEL) / CUTS / looks)
    return bool((signs([p]) * (held - exposed) - radius > margin).any())


def stale(base: Evidence, informative: bool) -> Evidence:
    """A window that brought nobody new is no verdict, and is not shown as one."""
    judged = base.mode is not Mode.LEARNING and base.standing is Standing.OK and base.crossing is Crossing.NONE
    if informative or not judged:
        return base
    return msgspec.structs.replace(base, standing=Standing.STALE, reason="no new unit came in this window")


def evidence(
    p: CohortQuantileParams,
    s: CohortQuantileState,
    row: int,
    views: dict[str, tuple[Floats, float]],
    base: Evidence,
) -> Evidence:
    """Of one watch: `views` are the sums (WIDTH,) since the start, lately and since the alert, and how many spans there were."""
    if base.mode is Mode.LEARNING:
        return _learning(p, s, row, base)
    kind = "since_start"
    if base.crossing is not Crossing.NONE:
        kind = "recent"
    elif base.mode is Mode.RECOVERING:
        kind = "fresh"
    if min(views[kind][0][0], views[kind][0][1 + CUTS]) < 1:
        kind = "since_start"
    sums, looks = views[kind]
    n1, n0 = int(sums[0]), int(sums[1 + CUTS])
    cut = int(s.worst[row]) if base.mode is Mode.RECOVERING else int(moved_most(sums[None], signs([p]))[0])
    beyond1, beyond0 = (each[cut] for each in shares(sums))
    margin = p.page_if_worse_by * max(float(s.usual[row, cut]), RAREST)
    known = n1 > 0 and n0 > 0
    effect = float(beyond1 - beyond0) if known else None
    alpha = (1.0 - LEVEL) / CUTS / looks
    se = np.array([_standard_error(sums, cut)])
    radius = float(normal_mixture_radius(se, np.maximum(margin, se), alpha)[0]) if known else np.inf
    band = empirical_cdf_radius(np.array([n1, n0], np.float64), (1.0 - LEVEL) / 2.0)
    return msgspec.structs.replace(
        base,
        n={"exposed": n1, "holdout": n0},
        arms={"exposed": float(beyond1), "holdout": float(beyond0)} if known else {},
        effect=effect,
        relative=effect / float(beyond0) if effect is not None and beyond0 > 0 else None,
        interval=Interval(
            low=effect - radius,
            high=effect + radius,
            level=LEVEL,
            kind=kind,
            formula="normal_mixture",
            inputs={"se": float(se[0]), "tau": max(margin, float(se[0])), "alpha": float(alpha)},
        )
        if effect is not None and np.isfinite(radius)
        else None,
        unit=f"share beyond {NAMES[cut]}",
        margin=margin,
        detail={f"cut_{name}": float(v) for name, v in zip(NAMES, s.cuts[row], strict=True)}
        | {f"exposed_beyond_{name}": int(v) for name, v in zip(NAMES, sums[1 : 1 + CUTS], strict=True)}
        | {f"holdout_beyond_{name}": int(v) for name, v in zip(NAMES, sums[2 + CUTS :], strict=True)}
        | {f"band_{arm}": float(v) for arm, v in zip(("exposed", "holdout"), band, strict=True) if np.isfinite(v)}
        | {"page_if_worse_by": p.page_if_worse_by, "better": p.better},
    )


def _learning(p: CohortQuantileParams, s: CohortQuantileState, row: int, base: Evidence) -> Evidence:
    gathered, held = len(unpacked(s.sample[row])), int(s.held[row])
    if base.standing is not Standing.OK:
        return msgspec.structs.replace(base, n={"both": gathered})
    return msgspec.structs.replace(
        base,
        standing=Standing.INSUFFICIENT,
        reason=f"learning the quantiles: {gathered:,} of {p.learn_units:,} units, {held:,} of {p.min_holdout:,} held out",
        n={"both": gathered},
    )
