"""D2: a release that a few get. Roll it back, promote it, or hold it until there is evidence.

Every unit votes once, with the value of its enrolment in the experiment (an error, a slow answer, an outcome within its
window, zeros included), so the evidence rests on the assignment coin alone and is exact.

Nulls: `harm` tests "treatment is no worse than tolerated", `sound` the opposite. Tolerated is `worse_by` times the mean of
control plus `allowance`; no baseline has to be learned first. Tiny samples move neither test, so they hold.

Source: Lindon, Sanden and Shirikian 2022, KDD, "Rapid regression detection in software deployments through sequential testing".

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, detector, p = np.random.default_rng(10), Canary(), CanaryParams(treatment_share=0.02)
>>> state, told = detector.start([p]), []
>>> for window in range(40):
...     treated = rng.random(2_000) < 0.02                                # two per cent get the release
...     error = rng.random(2_000) < np.where(treated, 0.06, 0.02)         # and three times the errors
...     rows = Columns(np.full(2_000, window), np.arange(2_000, dtype=np.uint64) + 1, np.where(treated, 0, 1).astype(np.int8),
...                    np.zeros(2_000, np.int32), np.arange(2_000), {"value": Numeric(error * 1.0), "first": flag(np.ones(2_000, bool))})
...     a = detector.fold(None, detector.empty(None), rows)
...     state, evidence = detector.close([p], state, [a], Tick.plain(window, window + 1, page=0.0, warn=0.0))
...     if evidence[0].crossing is not Crossing.NONE:
...         told.append((window, str(evidence[0].crossing), str(evidence[0].verdict)))
>>> told
[(18, 'page', 'rollback')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import msgspec
import numpy as np
from pydantic import Field

from detectors import release, three_way, two_arms
from detectors.columns import Floats
from detectors.detector import Family, Params, Tick
from detectors.evidence import Evidence, Verdict
from detectors.increments import ratio
from detectors.math.intervals import normal_mixture_radius
from detectors.release import ReleaseState
from detectors.two_arms import N0, N1, Tally

LEVEL = 0.95
DAY = 86_400_000
_VERDICTS = (Verdict.HOLD, Verdict.ROLLBACK, Verdict.PROMOTE, Verdict.INCONCLUSIVE)
_FIRST_LOOK = 20


class CanaryParams(Params):
    """Parameters of `canary`."""

    treatment_share: Annotated[float, Field(gt=0, lt=1, description="planned share of treatment among both arms")]
    better: Annotated[Literal["higher", "lower"], Field(description="whether a higher value is better or worse")] = (
        "lower"
    )
    worse_by: Annotated[float, Field(ge=0, lt=10, description="tolerated harm, as a share of the mean of control")] = (
        0.25
    )
    allowance: Annotated[
        float, Field(ge=0, lt=1, description="harm that is nobody's concern however low control is, absolute")
    ] = 0.001
    alpha: Annotated[
        float, Field(gt=0, lt=0.5, description="chance ever to call a sound release harmful, and the reverse")
    ] = 0.01
    at_most: Annotated[int, Field(ge=1, description="ms of event time after which it ends without a verdict")] = (
        14 * DAY
    )


class Canary(two_arms.ByUnit):
    """See the module's text."""

    name = "canary"
    family = Family.DEPLOYMENT
    hint = False
    params = CanaryParams
    state = ReleaseState

    def start(self, ps: Sequence[CanaryParams]) -> ReleaseState:
        """No evidence."""
        return release.start(len(ps), ratio.BETS)

    def close(
        self, ps: Sequence[CanaryParams], s: ReleaseState, stats: Sequence[Tally], tick: Tick
    ) -> tuple[ReleaseState, list[Evidence]]:
        """Advance; see `detectors.three_way`."""
        w = len(ps)
        entries = two_arms.entries(stats)
        window = two_arms.sums(entries, w)
        seen = release.counted(s, window, tick)
        total, informative = seen.total, seen.informative
        worse = np.array([p.worse_by for p in ps])
        side = np.array([-1.0 if p.better == "higher" else 1.0 for p in ps])
        share = np.array([p.treatment_share for p in ps])
        centre = release.pooled_mean(seen.before)
        allowance = np.array([p.allowance for p in ps])
        factor = np.maximum(1.0 + side * worse, 0.0)
        harm, sound = (
            ratio.log_increments(
                entries, w, share=share, centre=centre, ratio=factor, allowance=sign * allowance, side=sign * side
            )
            for sign in (1.0, -1.0)
        )
        level = np.array([p.alpha for p in ps])
        tests, step = three_way.advance(
            s.tests,
            harm,
            sound,
            tick,
            informative=informative,
            level=level,
            at_most=np.array([p.at_most for p in ps]),
            harm_lasts=True,
        )
        after = replace(s, tests=tests, total=total, tau=_tau(seen.tau, total, worse, allowance))
        se = two_arms.standard_error(total)
        radius = normal_mixture_radius(se, after.tau, 1.0 - LEVEL)
        told = [
            _evidence(
                ps[i],
                total[i],
                float(radius[i]),
                {"se": float(se[i]), "tau": float(after.tau[i]), "alpha": 1.0 - LEVEL},
                three_way.evidence(
                    tests,
                    step,
                    tick,
                    i,
                    level=ps[i].alpha,
                    informative=bool(informative[i]),
                    verdicts=_VERDICTS,
                ),
            )
            for i in range(w)
        ]
        return after, told


def _tau(tau: Floats, total: Floats, worse: Floats, allowance: Floats) -> Floats:
    """Fixed at the first look with enough units: the tolerated harm, or the standard error where that is larger."""
    ready = (tau == 0) & (np.minimum(total[:, N1], total[:, N0]) >= _FIRST_LOOK)
    se = two_arms.standard_error(total)
    ready &= np.isfinite(se) & (se > 0)
    return np.where(
        ready, np.maximum(worse * release.pooled_mean(total) + allowance, np.where(np.isfinite(se), se, 0.0)), tau
    )


def _evidence(p: CanaryParams, total: Floats, radius: float, inputs: dict[str, float], base: Evidence) -> Evidence:
    known = release.filled(base, total, radius, LEVEL, inputs)
    filled = msgspec.structs.replace(
        known,
        margin=p.worse_by * known.arms["control"] + p.allowance if known.arms else None,
        detail=base.detail | {"better": p.better, "worse_by": p.worse_by, "allowance": p.allowance},
    )
    return three_way.said(filled, _reason(p, filled))


def _reason(p: CanaryParams, e: Evidence) -> str:
    """Why the verdict is what it is, in one sentence."""
    if e.verdict is Verdict.ROLLBACK:
        return "rollback: treatment is worse than tolerated"
    if e.verdict is Verdict.PROMOTE:
        return "promote: harm beyond what is tolerated is excluded"
    seen = f"{e.n['treatment']:,} in treatment, {e.n['control']:,} in control"
    told_apart = "nothing is excluded yet"
    if e.interval is not None:
        harm = e.interval.high if p.better == "lower" else -e.interval.low
        told_apart = f"harm of more than {100 * harm:.2g} points is excluded" if harm > 0 else "no harm is seen"
    if e.verdict is Verdict.INCONCLUSIVE:
        return f"inconclusive after {p.at_most / DAY:g} d with {seen}; {told_apart}"
    return f"hold: no verdict yet with {seen}; {told_apart}"
