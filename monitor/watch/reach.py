"""What each watch will find, in words: before it runs from the traffic that is given, later from what was seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from detectors.cohort_bounded import CohortBoundedParams
from detectors.detector import Family
from detectors.evidence import Crossing, Evidence, Mode
from detectors.power import Outlook, Reach
from detectors.reaches import catalogue
from detectors.reaches.cohorts import cohort_bounded
from monitor.watch.finding import Finding
from monitor.watch.plan import DAY, WatchPlan

WITHIN = 28 * DAY
SEGMENT = 0.05
"""A group of people whose reach is told as an example: a country with this share of them."""

MAY_NOT_ALARM = "it may neither page nor warn"
_USUAL_PAGES = 0.1
"""Expected false pages in 28 days that a metric may cost, where no budget says so yet."""

_SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True, slots=True)
class Pace:
    """What a watch counts: units a day, and the mean and mean square of their values where they are known.

    known   figures that its last finding told, by name.
    """

    units: float
    mean: float | None = None
    square: float | None = None
    known: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a person says of the traffic: people a day, those among them never seen before, and means of metrics by name."""

    units: float
    new: float
    means: Mapping[str, float] = field(default_factory=dict)

    def pace(self, watch: WatchPlan) -> Pace:
        """New people where each counts once, all people of the day where each votes daily."""
        once = not {"first", "entering"}.isdisjoint(watch.needs.columns)
        return Pace(self.new if once else self.units, self.means.get(watch.on))


def seen(findings: Sequence[Finding]) -> Pace | None:
    """The pace of one watch, from its stored findings in any order; None if they do not say.

    Counts that grow from finding to finding are added up; windows in which they were taken anew are left out.
    """
    told = sorted((f for f in findings if f.evidence.crossing is Crossing.NONE), key=lambda f: f.end)
    told = [f for f in told if f.evidence.mode is not Mode.RECOVERING]
    units = time = 0.0
    for before, after in pairwise(told):
        grown = counted(after.evidence) - counted(before.evidence)
        if grown >= 0 and before.incarnation == after.incarnation:
            units, time = units + grown, time + (after.end - before.end)
    if units <= 0 or time <= 0:
        return None
    return Pace(units / time * DAY, *moments(told[-1].evidence), known=figures(told[-1].evidence))


def figures(evidence: Evidence) -> dict[str, float]:
    """The numbers that a finding tells of itself, by name; its margin among them."""
    told = evidence.detail | {"margin": evidence.margin}
    return {name: float(v) for name, v in told.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def counted(evidence: Evidence) -> int:
    """Units counted so far: while learning those of the reference, then those since; windows are no units."""
    learns = evidence.mode is Mode.LEARNING
    apart = {"windows", "mixed up"} if learns else {"windows", "mixed up", "reference"}
    counts = {arm: n for arm, n in evidence.n.items() if arm not in apart}
    return counts.get("live", sum(counts.values()))


def moments(evidence: Evidence) -> tuple[float | None, float | None]:
    """Mean and mean square of what a watch counts, as far as its finding tells them."""
    detail, arms = evidence.detail, ("exposed", "holdout")
    if "control" in evidence.arms:
        return evidence.arms["control"], None
    if "reference_sum" in detail and (n := evidence.n.get("reference", 0)):
        now = evidence.n.get("now", 0)
        return float(detail["reference_sum"]) / n, float(detail["now_squares"]) / now if now else None
    try:
        units, total, squares = (
            sum(float(detail[f"since_start_{arm}_{what}"]) for arm in arms) for what in ("n", "sum", "squares")
        )
    except KeyError:
        return None, None
    return (total / units, squares / units) if units else (None, None)


def outlook(watch: WatchPlan, pace: Pace, within: int = WITHIN) -> Outlook:
    """What a watch may count on at this pace. A watch that may not page is held against what it may spend on warnings."""
    spend = (watch.spend.page or watch.spend.warn) * watch.window
    units = pace.units * watch.window / DAY
    return Outlook(
        units=units,
        window=watch.window,
        within=within,
        spend=min(spend, 0.5) or 0.5,
        mean=pace.mean,
        square=pace.square,
        known=pace.known,
    )


def reach(watch: WatchPlan, pace: Pace) -> Reach:
    """The smallest effect that a watch finds within 28 days, four times of five.

    Of an experiment all new people are taken to enter it; it is decided by its own level, and costs no budget.
    """
    if watch.detector in catalogue.REACHES and not may_alarm(watch):
        return Reach(unknown=MAY_NOT_ALARM)
    return catalogue.reach(watch.detector, watch.params, outlook(watch, pace))


def may_alarm(watch: WatchPlan) -> bool:
    """Whether it may tell anybody anything: of a budget, or by its own level."""
    return bool(watch.spend.page or watch.spend.warn) or watch.test.family is Family.DEPLOYMENT


def within(watch: WatchPlan) -> float:
    """Days in which it must find something: an experiment may end earlier."""
    return min(WITHIN, getattr(watch.params, "at_most", WITHIN) if watch.experiment else WITHIN) / DAY


def would_be_found(watch: WatchPlan, found: Reach) -> str:
    """The middle of a sentence: what is found, or that nothing is, and within how long."""
    days = f"within {within(watch):.2g} days"
    if not math.isfinite(found.effect):
        return f"no effect at all would be found {days}"
    return f"{_size(watch, found)} or more would be found {days}"


def in_words(watch: WatchPlan, pace: Pace, found: Reach) -> str:
    """One sentence of a watch's reach at this pace: who sees how small an effect, by when, and a small group's part of it."""
    if found.unknown:
        return found.unknown
    who = _who(watch, found)
    if not math.isfinite(found.effect):
        return f"{who} show no effect at all within 28 d at this pace"
    learning = found.learning * watch.window / DAY
    after = f" (after {learning:.2g} d of learning)" if learning >= 1 else ""
    small = ""
    if _grouped(watch, found):
        group = reach(watch, replace(pace, units=pace.units * SEGMENT))
        small = f"; in a group with {100 * SEGMENT:g} % of people {_size(watch, group)}"
    tolerated = "" if found.words else _beyond_margin(watch, found)
    return f"{who} are enough to find {_size(watch, found)} within {within(watch):.2g} d{after}{tolerated}{small}"


def _who(watch: WatchPlan, found: Reach) -> str:
    counted = dict(found.counted)
    n = counted.get("holdout", sum(counted.values()))
    if watch.experiment and "holdout" in counted:
        return f"{_round(sum(counted.values())):,} people of both arms"
    if "holdout" in counted:
        return f"{_round(n):,} held-out people"
    return f"{_round(n):,} {found.of}"


def _grouped(watch: WatchPlan, found: Reach) -> bool:
    """Whether a smaller group of people is compared just so: it is told what that finds."""
    return watch.test.family in (Family.COHORT, Family.INTEGRITY) and not found.words and found.of == "votes"


def _size(watch: WatchPlan, found: Reach) -> str:
    if found.unknown or not math.isfinite(found.effect):
        return "nothing"
    if found.words:
        return found.words
    if found.relative is None:
        return f"a shift of {found.effect:.2g} {found.unit}"
    what = f" in {watch.on}" if watch.on else f" of {'control' if watch.experiment else 'the holdout'}'s share"
    percent = f"{100 * found.relative:.2g}"
    article = "an" if percent.startswith("8") or percent in ("11", "18") else "a"
    return f"{article} {percent} % change{what}"


def _beyond_margin(watch: WatchPlan, found: Reach) -> str:
    """A margin is what is tolerated; what is found begins where the reach does."""
    margin = getattr(watch.params, "page_if_worse_by", None)
    if margin is None or found.relative is None or found.relative <= margin:
        return ""
    return f"; less than that is hardly found, though page_if_worse_by is {100 * margin:.2g} %"


def _round(n: float) -> int:
    digits = max(int(math.log10(n)) - 2, 0) if n >= 1 else 0
    return int(round(n, -digits))


def share_that_buys(effect: float, mean: float, new_a_day: float, *, window: int) -> float | None:
    """The smallest usual share of a holdout that finds a relative fall by `effect` within 28 days; None if half is too little.

    Half of the effect is tolerated: a margin next to the effect itself would cost most of the power.
    """
    spend = _USUAL_PAGES * window / WITHIN
    look = Outlook(units=new_a_day * window / DAY, window=window, within=WITHIN, spend=spend, mean=mean)
    for share in _SHARES:
        params = CohortBoundedParams(holdout_share=share, page_if_worse_by=effect / 2)
        found = cohort_bounded(params, look)
        if found.relative is not None and found.relative <= effect:
            return share
    return None
