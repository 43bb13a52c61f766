"""D3: which of two arms has the higher mean? Looked at after every window, and told once.

Every unit votes once, with the value of its enrolment in the experiment, zeros included: so units are independent, and the
events of one person never count as several. The intervals are normal-mixture confidence sequences, and the evidence is the
same mixture, half for each direction: it says that there is an effect at the very look at which the interval leaves zero.
Asymptotic: the first look waits for `min_units` in the smaller arm.

Several metrics of one experiment: the primary decides alone; the others (`alone: false`) leave their e-values to the family,
which decides by e-BH (`detectors.families`).

Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, Annals of Statistics; Howard, Ramdas, McAuliffe and Sekhon 2021.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric, flag
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, detector, p = np.random.default_rng(8), AbTest(), AbTestParams()
>>> state, told = detector.start([p]), []
>>> for window in range(60):
...     arm = (rng.random(500) < 0.5).astype(np.int8)                     # 0 treatment, 1 control
...     value = rng.random(500) < np.where(arm == 0, 0.10, 0.12)          # treatment loses two points
...     rows = Columns(np.full(500, window), np.arange(500, dtype=np.uint64) + 1, arm, np.zeros(500, np.int32),
...                    np.arange(500), {"value": Numeric(value * 1.0), "first": flag(np.ones(500, bool))})
...     a = detector.fold(None, detector.empty(None), rows)
...     state, (evidence,) = detector.close([p], state, [a], Tick.plain(window, window + 1, page=0.0, warn=0.0))
...     if evidence.crossing is Crossing.WARN:
...         told.append((window, str(evidence.verdict), round(evidence.effect, 3), evidence.interval.high < 0))
>>> told
[(6, 'control is better', -0.031, True)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import msgspec
import numpy as np
from pydantic import Field
from scipy.special import log_ndtr

from detectors import one_shot, release, three_way, two_arms
from detectors.columns import Bools, Floats
from detectors.detector import Family, Params, Tick
from detectors.evidence import Evidence, Verdict
from detectors.math.intervals import normal_mixture_radius
from detectors.release import ReleaseState
from detectors.two_arms import N0, N1, Tally

DAY = 86_400_000
_NEVER_ALONE = 5e-324
_VERDICTS = (Verdict.HOLD, Verdict.CONTROL, Verdict.TREATMENT, Verdict.INCONCLUSIVE)


class AbTestParams(Params):
    """Parameters of `ab_test`."""

    better: Annotated[Literal["higher", "lower"], Field(description="whether a higher value is better or worse")] = (
        "higher"
    )
    matters: Annotated[
        float, Field(gt=0, lt=10, description="effect, as a share of the mean, for which the interval is tightest")
    ] = 0.05
    alpha: Annotated[
        float, Field(gt=0, lt=0.5, description="chance ever to see a difference where there is none, both directions")
    ] = 0.05
    treatment_share: Annotated[
        float, Field(gt=0, lt=1, description="planned share of treatment among both arms, for what is told in advance")
    ] = 0.5
    alone: Annotated[
        bool, Field(description="decides by itself; else together with the other metrics of its experiment")
    ] = True
    min_units: Annotated[int, Field(ge=20, description="units of the smaller arm before the first look")] = 200
    at_most: Annotated[int, Field(ge=1, description="ms of event time after which it ends without a verdict")] = (
        14 * DAY
    )


class AbTest(two_arms.ByUnit):
    """See the module's text."""

    name = "ab_test"
    family = Family.DEPLOYMENT
    hint = False
    params = AbTestParams
    state = ReleaseState

    def start(self, ps: Sequence[AbTestParams]) -> ReleaseState:
        """No evidence."""
        return release.start(len(ps), 1)

    def close(
        self, ps: Sequence[AbTestParams], s: ReleaseState, stats: Sequence[Tally], tick: Tick
    ) -> tuple[ReleaseState, list[Evidence]]:
        """Advance; see `detectors.three_way`."""
        w = len(ps)
        window = two_arms.sums(two_arms.entries(stats), w)
        seen = release.counted(s, window, tick)
        total, informative, again = seen.total, seen.informative, seen.again
        se = two_arms.standard_error(total)
        looks = (np.minimum(total[:, N1], total[:, N0]) >= [p.min_units for p in ps]) & np.isfinite(se) & (se > 0)
        matters = np.array([p.matters for p in ps]) * release.pooled_mean(total)
        tau = np.where(looks & (seen.tau == 0), np.maximum(matters, np.where(looks, se, 0.0)), seen.tau)
        m1, m0 = two_arms.means(total)
        good = np.array([1.0 if p.better == "higher" else -1.0 for p in ps])
        z = np.where(looks, good * (m1 - m0) / np.where(looks, se, 1.0), 0.0)
        alpha = np.array([p.alpha for p in ps])
        tests, step = three_way.advance(
            s.tests,
            _step(one_shot.log_values(s.tests.harm), again, _log_value(-z, se, tau, looks)),
            _step(one_shot.log_values(s.tests.sound), again, _log_value(z, se, tau, looks)),
            tick,
            informative=informative,
            level=np.where([p.alone for p in ps], alpha / 2.0, _NEVER_ALONE),
            at_most=np.array([p.at_most for p in ps]),
            harm_lasts=False,
        )
        radius = np.where(looks, normal_mixture_radius(se, tau, alpha), np.inf)
        told = [
            _evidence(
                ps[i],
                total[i],
                float(radius[i]),
                {"se": float(se[i]), "tau": float(tau[i]), "alpha": ps[i].alpha},
                _base(ps[i], tests, step, tick, i, informative=bool(informative[i])),
            )
            for i in range(w)
        ]
        return replace(s, tests=tests, total=total, tau=tau), told


def _log_value(z: Floats, se: Floats, tau: Floats, looks: Bools) -> Floats:
    """Log of the mixture of likelihood ratios over effects of the good sign with a half-normal prior of scale tau, (W,).

    The average of both directions is the mixture behind `normal_mixture_radius`. 0 before the first look.
    """
    s = np.where(looks, se, 1.0)
    t = np.where(tau > 0, tau, 1.0)
    posterior = z * t / np.hypot(t, s)
    value: Floats = -0.5 * np.log1p((t / s) ** 2) + 0.5 * posterior**2 + np.log(2.0) + log_ndtr(posterior)
    return np.where(looks, value, 0.0)


def _step(before: Floats, again: Bools, after: Floats) -> Floats:
    """What the window adds to the log of the evidence, (W, 1)."""
    return (after - np.where(again, 0.0, before))[:, None]


def _base(
    p: AbTestParams, tests: three_way.ThreeWay, step: three_way.Step, tick: Tick, row: int, *, informative: bool
) -> Evidence:
    base = three_way.evidence(tests, step, tick, row, level=p.alpha, informative=informative, verdicts=_VERDICTS)
    both = np.logaddexp(step.log_harm[row], step.log_sound[row]) - np.log(2.0)
    return msgspec.structs.replace(base, log10_e=None if base.log10_e is None else float(both / np.log(10)))


def _evidence(p: AbTestParams, total: Floats, radius: float, inputs: dict[str, float], base: Evidence) -> Evidence:
    filled = msgspec.structs.replace(
        release.filled(base, total, radius, 1.0 - p.alpha, inputs),
        exact=False,
        detail=base.detail | {"better": p.better, "alone": p.alone},
    )
    return three_way.said(filled, _reason(p, filled))


def _reason(p: AbTestParams, e: Evidence) -> str:
    if e.verdict in (Verdict.TREATMENT, Verdict.CONTROL):
        return f"{e.verdict}: zero is outside the interval"
    seen = f"{e.n['treatment']:,} in treatment, {e.n['control']:,} in control"
    excluded = "nothing is excluded yet"
    if e.interval is not None:
        excluded = f"effects beyond {100 * e.interval.low:+.2g} and {100 * e.interval.high:+.2g} points are excluded"
    if e.verdict is Verdict.INCONCLUSIVE:
        return f"inconclusive after {p.at_most / DAY:g} d with {seen}; {excluded}"
    return f"hold: no verdict yet with {seen}; {excluded}"
