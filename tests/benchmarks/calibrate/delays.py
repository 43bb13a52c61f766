"""How long a change goes unnoticed, beside the oracle and beside log A / KL (A = 1 / spend, KL of one window).

The oracle of a proportion is the CUSUM that knows the share before and after; of two cohorts, the one that knows the effect
and the variance of the difference of their means; of a distribution, the one that knows which cut moves, from where to where.

With a margin there are two oracles. One has to keep its run length as we do, wherever the effect is within the margin: its
"before" is the margin. The other only where there is no effect at all; no test that tolerates the margin can reach it: at m
margins it is faster by (m / (m - 1))^2, which is 1.78 at four.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from scipy.special import ndtr, ndtri

from detectors import engine
from detectors.catalogue import DETECTORS
from detectors.cohort_bounded import CohortBoundedParams
from detectors.cohort_rate import CohortRateParams, Happened, tolerance
from detectors.columns import Floats
from detectors.contamination import ContaminationParams, Marked
from detectors.detector import Params, Tick
from detectors.evidence import Crossing
from detectors.increments.bernoulli import log_increments, tilted
from detectors.math import fixed
from detectors.numeric_shift import NumericShiftParams
from detectors.sample_ratio import Counts, SampleRatioParams
from detectors.two_arms import Tally
from tests.benchmarks.calibrate import oracle
from tests.benchmarks.calibrate.adapters import ADAPTERS, COHORT_MARGIN
from tests.benchmarks.calibrate.cells import Cell, Noise
from tests.benchmarks.calibrate.course import run
from tests.benchmarks.calibrate.worlds import BASE, People, moved

STREAMS = 300
PAGE = 5e-5
"""Spend of a window: the promised run length is 20,000 windows, about that of a watch on hourly windows."""

BURN_IN = 50
HEALTHY, HEALTHY_STREAMS = 5_000, 2_000
"""Healthy windows and streams on which run lengths are measured."""

UNITS, HELD = 1_000, 0.1
EQUAL = "oracle at equal measured run length"
EDGE = "oracle at the promised run length, healthy up to the margin"
CENTRE = "oracle at the promised run length, healthy at no effect"
BOUND = "log A / KL"


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """Mean windows to the page, `ours`, over those of `against`, `other`; `error` is the standard error of the ratio.

    margins   size of the change in margins; infinite at tolerance 0. missed: streams that never paged, counted at the end.
    """

    detector: str
    change: str
    margins: float
    against: str
    ours: float
    other: float
    ratio: float
    error: float
    streams: int
    missed: int


Draw = Callable[[bool], Sequence[object]]
"""The statistics of all streams in one window, before or after the change."""


def first_pages(name: str, p: Params, draw: Draw, *, windows: int, since: int) -> Floats:
    """The window of the first page of every stream, NaN where none came, (STREAMS,)."""
    detector, ps = DETECTORS[name], [p] * STREAMS
    state, first = detector.start(ps), np.full(STREAMS, np.nan)
    for t in range(windows):
        tick = Tick.plain(t, t + 1, page=PAGE, warn=PAGE, watches=STREAMS)
        state, told = detector.close(ps, state, draw(t >= since), tick)
        hit = np.array([e.crossing is Crossing.PAGE for e in told])
        first = np.where(hit & np.isnan(first), t, first)
        if not np.isnan(first).any():
            break
    return first


def run_rate(first: Floats, windows: int) -> float:
    """False alarms a window while none was open, from first pages of healthy streams."""
    return float((~np.isnan(first)).sum() / np.where(np.isnan(first), windows, first + 1).sum())


def compared(
    detector: str, change: str, margins: float, against: str, first: Floats, other: Floats, since: int, windows: int
) -> Delay:
    """Streams that paged before the change are left out; one that never did counts as the windows there were."""
    ours = first[~(first < since)] - since + 1.0
    missed = int(np.isnan(ours).sum())
    ours = np.where(np.isnan(ours), windows - since, ours)
    a, b = float(ours.mean()), float(other.mean())
    spread = (ours.std() / a) ** 2 / len(ours) + (other.std() / b) ** 2 / len(other)
    return Delay(
        detector=detector,
        change=change,
        margins=margins,
        against=against,
        ours=a,
        other=b,
        ratio=a / b,
        error=a / b * float(np.sqrt(spread)),
        streams=len(ours),
        missed=missed,
    )


def shares(off: float, tolerance: float, seed: int) -> list[Delay]:
    """`sample_ratio`: the log odds of the holdout fall by `off`."""
    rng, p = np.random.default_rng(seed), SampleRatioParams(holdout_share=HELD, tolerance=tolerance)
    edge = float(tilted(np.array(HELD), np.array(-tolerance)))
    return _of_shares(rng, p, off, [(EDGE, edge, PAGE), (CENTRE, HELD, PAGE)])


def shares_exactly(offs: Sequence[float], seed: int) -> list[Delay]:
    """`sample_ratio` at tolerance 0, whose measured run length the oracle has to keep."""
    rng, p = np.random.default_rng(seed), SampleRatioParams(holdout_share=HELD, tolerance=0.0)
    quiet = first_pages("sample_ratio", p, _held(rng, HELD), windows=HEALTHY, since=0)
    healthy = [(EQUAL, HELD, run_rate(quiet, HEALTHY))]
    return [delay for off in offs for delay in _of_shares(rng, p, off, healthy)]


def _of_shares(
    rng: np.random.Generator, p: SampleRatioParams, off: float, healthy: Sequence[tuple[str, float, float]]
) -> list[Delay]:
    after, change = float(tilted(np.array(HELD), np.array(-off))), f"log odds -{off:g}"
    margins, words = (off / p.tolerance, change) if p.tolerance else (np.inf, f"{change}, tolerance 0")
    first = first_pages("sample_ratio", p, _held(rng, after), windows=BURN_IN + 1_500, since=BURN_IN)
    return _beside_oracles(rng, "sample_ratio", words, margins, first, UNITS, (HELD, after), healthy)


def rates(margins: float, seed: int) -> list[Delay]:
    """`cohort_rate`: it happens so many times the shipped tolerance more often to the exposed; to 200 people a window."""
    rng, hit, exposed = np.random.default_rng(seed), 200, 1.0 - HELD
    p = CohortRateParams(holdout_share=HELD)
    chances = [exposed * r / (exposed * r + HELD) for r in np.exp(tolerance(p) * np.array([0.0, 1.0, margins]))]
    before, edge, after = map(float, chances)

    def draw(changed: bool) -> list[object]:
        each = rng.binomial(hit, after if changed else before, STREAMS)
        return [Happened(np.array([9_000, k, 1_000, hit - k])) for k in each.tolist()]

    first = first_pages("cohort_rate", p, draw, windows=BURN_IN + 1_500, since=BURN_IN)
    change, healthy = f"rate x {np.exp(tolerance(p) * margins):.2f}", [(EDGE, edge, PAGE), (CENTRE, before, PAGE)]
    return _beside_oracles(rng, "cohort_rate", change, margins, first, hit, (before, after), healthy)


def marks(margins: float, seed: int) -> list[Delay]:
    """`contamination`: so many times the tolerated share of units are mixed up, half of it before."""
    rng, p, unit = np.random.default_rng(seed), ContaminationParams(), np.arange(UNITS, dtype=np.uint64)

    def draw(changed: bool) -> list[object]:
        marked = rng.binomial(UNITS, p.at_most * (margins if changed else 0.5), STREAMS)
        return [Marked(unit, np.stack([np.ones(UNITS, np.int64), unit < k], axis=1)) for k in marked.tolist()]

    first = first_pages("contamination", p, draw, windows=BURN_IN + 1_500, since=BURN_IN)
    chances, healthy = (p.at_most / 2.0, p.at_most * margins), [(EDGE, p.at_most, PAGE)]
    return _beside_oracles(rng, "contamination", f"{chances[1]:g} of units", margins, first, UNITS, chances, healthy)


def _beside_oracles(
    rng: np.random.Generator,
    detector: str,
    change: str,
    margins: float,
    first: Floats,
    units: int,
    chances: tuple[float, float],
    healthy: Sequence[tuple[str, float, float]],
) -> list[Delay]:
    """First pages beside oracles of a proportion, each with what it holds for healthy and how often it may be wrong there."""
    windows, (before, after) = BURN_IN + 1_500, chances
    return [
        compared(
            detector,
            change,
            margins,
            against,
            first,
            _proportion(rng, units, (before, edge, after), rate, windows, BURN_IN),
            BURN_IN,
            windows,
        )
        for against, edge, rate in healthy
    ]


def _held(rng: np.random.Generator, after: float) -> Draw:
    """Windows of `UNITS` new units, of which HELD are held out, and `after` after the change."""

    def draw(changed: bool) -> list[object]:
        held = rng.binomial(UNITS, after if changed else HELD, STREAMS)
        return [Counts(np.array([UNITS - k, k])) for k in held]

    return draw


def _proportion(
    rng: np.random.Generator, units: int, chances: tuple[float, float, float], rate: float, windows: int, since: int
) -> Floats:
    """Delays of the oracle of a proportion: it truly is the first, must keep `rate` at the second, changes to the third."""
    before, healthy, after = chances

    def llr(share: Floats, streams: int) -> Floats:
        yes = rng.binomial(units, share[:, None], (len(share), streams)).astype(np.float64)
        return log_increments(yes, np.array(float(units)), np.array(healthy), np.array(after))

    threshold = oracle.threshold_for(llr(np.full(HEALTHY, healthy), HEALTHY_STREAMS), rate)
    return oracle.delays(llr(np.where(np.arange(windows) >= since, after, before), STREAMS), threshold, since)


def cohorts(lost: float, seed: int) -> list[Delay]:
    """`cohort_bounded`: the exposed lose `lost` of a mean of .1, a tenth is held out, the margin is the shipped one."""
    rng, learn = np.random.default_rng(seed), 10
    p = CohortBoundedParams(holdout_share=HELD, page_if_worse_by=COHORT_MARGIN, learn_units=learn * UNITS)
    variance = BASE * (1 - BASE) / UNITS * (1 / HELD + 1 / (1 - HELD))

    def draw(changed: bool) -> list[object]:
        held = rng.binomial(UNITS, HELD, STREAMS)
        yes1 = rng.binomial(UNITS - held, BASE - lost * changed)
        yes0 = rng.binomial(held, BASE)
        return [_tally(UNITS - h, a, h, b) for h, a, b in zip(held.tolist(), yes1.tolist(), yes0.tolist(), strict=True)]

    def llr(effect: Floats, healthy: float, streams: int) -> Floats:
        held = np.maximum(rng.binomial(UNITS, HELD, (len(effect), streams)), 1)
        gap = rng.binomial(held, BASE) / held - rng.binomial(UNITS - held, BASE - effect[:, None]) / (UNITS - held)
        result: Floats = (lost - healthy) / variance * (gap - (lost + healthy) / 2)
        return result

    def reached(healthy: float) -> Floats:
        threshold = oracle.threshold_for(llr(np.full(HEALTHY, healthy), healthy, HEALTHY_STREAMS), PAGE)
        return oracle.delays(llr(np.where(np.arange(windows) >= since, lost, 0.0), healthy, STREAMS), threshold, since)

    margin = COHORT_MARGIN * BASE
    since, windows = learn + BURN_IN, learn + BURN_IN + 1_500
    first = first_pages("cohort_bounded", p, draw, windows=windows, since=since)
    bound = np.full(1, -np.log(PAGE) / (lost**2 / (2 * variance)))
    return [
        compared("cohort_bounded", f"-{lost:g} of {BASE:g}", lost / margin, against, first, other, since, windows)
        for against, other in ((EDGE, reached(margin)), (CENTRE, reached(0.0)), (BOUND, bound))
    ]


def distributions(margins: float, seed: int) -> list[Delay]:
    """`numeric_shift`: a normal value moves by so many times the shipped margin; twenty units a window."""
    units, learn, sample = 20, 24, 4
    eps = NumericShiftParams.model_fields["eps"].default
    cell = Cell(0.5, 1, Noise.IID)
    adapter = replace(
        ADAPTERS["numeric_shift"],
        params=lambda cell: NumericShiftParams(),  # noqa: ARG005
        world=lambda rng, cell, streams: People(
            rng, cell, streams, moved(cell, eps), wander=0.0, units=lambda t: 1_000 if t < learn + sample else units
        ),
        streams=STREAMS // 2,
    )
    since = learn + sample + BURN_IN
    windows = since + 100
    course = run("numeric_shift", adapter, cell, seed, page=PAGE, worse=margins, since=since, windows=windows)
    first = np.where(course.pages.any(axis=0), course.pages.argmax(axis=0), np.nan)
    mean = 2.0 * ndtri((1.0 + eps * margins) / 2.0)
    cuts = ndtri(np.arange(1, 20) / 20)
    best = int(np.argmax(ndtr(cuts) - ndtr(cuts - mean)))
    before, after = float(ndtr(cuts[best])), float(ndtr(cuts[best] - mean))
    rng = np.random.default_rng(seed + 1)
    return [
        compared(
            "numeric_shift",
            f"KS {eps * margins:g}",
            margins,
            against,
            first,
            _proportion(rng, units, (before, healthy, after), PAGE, windows, since),
            since,
            windows,
        )
        for against, healthy in ((EDGE, before - eps), (CENTRE, before))
    ]


def engine_alone(after: float, seed: int) -> Delay:
    """The engine at tolerance 0 with I1 and six one-sided bets: a share of .10 falls to `after`; 500 units a window."""
    rng, units, healthy, streams = np.random.default_rng(seed), 500, 0.10, 4_000
    bets = healthy - np.array([0.005, 0.01, 0.02, 0.03, 0.05, 0.08])
    weights = np.full(len(bets), -np.log(len(bets)))

    def first_alarms(share: Floats) -> Floats:
        bank = engine.begin(engine.start(streams, len(bets)), np.ones(streams, np.bool_), np.zeros(streams, np.int64))
        first, all_ = np.full(streams, np.nan), np.ones(streams, np.bool_)
        for t, chance in enumerate(share):
            yes = rng.binomial(units, chance, streams).astype(np.float64)[:, None]
            null = log_increments(yes, np.array(float(units)), np.array(healthy), bets)
            tick = Tick.plain(t, t + 1, page=PAGE, warn=0.0, watches=streams)
            bank, verdict = engine.advance(bank, engine.Increments(null, null, -null), weights, tick, all_, ~all_)
            first = np.where(verdict.opened & np.isnan(first), t, first)
            if not np.isnan(first).any():
                break
        return first

    windows = BURN_IN + 1_000
    rate = run_rate(first_alarms(np.full(HEALTHY, healthy)), HEALTHY)
    first = first_alarms(np.where(np.arange(windows) >= BURN_IN, after, healthy))
    other = _proportion(rng, units, (healthy, healthy, after), rate, windows, BURN_IN)
    return compared("engine, I1", f".10 to {after:g}", np.inf, EQUAL, first, other, BURN_IN, windows)


def _tally(exposed: int, yes_exposed: int, held: int, yes_held: int) -> Tally:
    one = fixed.ONE << 1
    counts = {0: held - yes_held, 1: exposed - yes_exposed, one: yes_held, one | 1: yes_exposed}
    kept = {key: n for key, n in counts.items() if n}
    return Tally(np.array(list(kept), np.uint64), np.array(list(kept.values()), np.int64).reshape(-1, 1))


CASES: dict[str, Callable[[], list[Delay]]] = {
    **{f"engine {a:g}": lambda a=a: [engine_alone(a, 505)] for a in (0.09, 0.085, 0.07)},  # type: ignore[misc]
    **{f"shares {m:g}": lambda m=m: shares(0.01 * m, 0.01, 909) for m in (4, 10)},  # type: ignore[misc]
    "shares exactly": lambda: shares_exactly((0.05, 0.1, 0.2), 910),
    **{f"rates {m:g}": lambda m=m: rates(m, 911) for m in (4, 10)},  # type: ignore[misc]
    **{f"marks {m:g}": lambda m=m: marks(m, 912) for m in (4, 10)},  # type: ignore[misc]
    **{f"cohorts {m:g}": lambda m=m: cohorts(COHORT_MARGIN * BASE * m, 808) for m in (4, 10, 15)},  # type: ignore[misc]
    **{f"distributions {m:g}": lambda m=m: distributions(m, 707) for m in (4, 6)},  # type: ignore[misc]
}
"""What is measured, by name."""

BESIDE = {
    "sample_ratio": shares,
    "cohort_rate": rates,
    "contamination": marks,
    "cohort_bounded": cohorts,
    "numeric_shift": distributions,
}
"""Detectors that stand beside an oracle, and what measures them."""

_PROPORTION = "bets on a proportion of units, as `sample_ratio` and `contamination` do"
_CELLS = "averages the bets on a proportion over cells, as `numeric_shift` does"
_BOUNDED = "bets on a bounded mean of units, as `cohort_bounded` does"
_TESTED = "its own tests bound the delay"
_ONCE = "is asked once, for a verdict; its own tests bound how many units that takes"
_PERIODS = "looks once a period and asks for two in a row: the delay is two periods; `make loop-bench` measures it"
_BLOCKS = "bets on blocks, whose delay `tests/detectors/test_block.py` holds to the published one"

NO_ORACLE = {
    "ab_test": _ONCE,
    "attrition": "looks once a day and asks for two in a row: the delay is two days",
    "calibration": _CELLS,
    "calibration_gap": _PERIODS,
    "canary": _ONCE,
    "category_shift": _CELLS,
    "cohort_block": _BLOCKS,
    "cohort_by_group": _BOUNDED,
    "cohort_quantile": _PROPORTION,
    "cohort_sticky": "its evidence is a mixture over effects of all that people did so far; " + _TESTED,
    "concentration": _PERIODS,
    "divergence": "its evidence is a mixture over effects of all that people did so far; " + _TESTED,
    "effective_sample": _PERIODS,
    "embedding_shift": _CELLS,
    "freshness": "waits for a silence that is too unlikely: the delay is the threshold, in expected records",
    "homogenisation": _PERIODS,
    "interleaving": _ONCE,
    "loop_gain": "looks once a retrain; `make loop-bench` measures in how many the gain is told",
    "missing_rate": _CELLS,
    "propensity_check": _BOUNDED,
    "risk": _BOUNDED,
    "sample_ratio_by_group": "is `sample_ratio` with its spend over groups",
    "shadow": _ONCE,
    "share_over": _PROPORTION,
    "tail_collapse": _PROPORTION,
    "training_health": _PERIODS,
    "volume": _BLOCKS,
}
"""Detectors that promise few false pages and have no row of their own, and why."""
