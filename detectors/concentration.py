"""C1: does what exposed people are shown narrow, measured against the holdout and against their own baseline?

One window is one period: a retrain cycle, or a day. Concentration is counted in effective items, 1 / HHI with the unbiased
HHI = sum n_j (n_j - 1) / (N (N - 1)): how many items, shown equally often, would be as concentrated. With D_t = log of the
exposed's effective items over the holdout's, the effect is D_t minus its mean over the learning periods: a gap that was
there from the start is silent, and so is whatever narrows both cohorts. Each arm's own change since the baseline is told
beside it, so that the origin can be read. Without a holdout the exposed are compared with their own baseline, which shows
an association only.

Null: effective items of the exposed, relative to the holdout, have fallen by no more than `page_if_items_fall_by`. A period is
below when the upper bound of the effect lies below the margin, at an error equal to that period's spend; the alarm needs two
such periods in a row. So a false alarm in a period costs at most what the period may spend, and expectations add (Bonferroni
over periods, with the spends as weights; the second period is a bonus). Bounds are Student's with 19 degrees of freedom, from
a Poisson bootstrap over units with the same unit weights in every period. Asymptotic. What moves an arm from period to period
without being sampling noise is covered by the margin alone.

A narrowing is a risk, not a harm: in a simulated loop it came first, and measured utility did not fall with it. As a hint it
warns; it pages only where the config says so.

Source: Simpson 1949, Nature 163 (the index); Chaney, Stewart and Engelhardt 2018, RecSys (narrowing in loops);
Chamandy, Muralidharan, Najmi and Naidu 2012 (the bootstrap).

>>> import numpy as np
>>> from detectors.columns import Columns, Hash, Ragged
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, day, detector, p = np.random.default_rng(11), 86_400_000, Concentration(), ConcentrationParams()
>>> state, told = detector.start([p]), []
>>> for period in range(8):
...     unit = np.arange(1, 2_001, dtype=np.uint64)
...     cohort = (unit % 4 == 0).astype(np.int8)                          # 0 exposed, 1 holdout
...     choice = np.where((cohort == 0) & (period >= 5), 100, 200)        # from period 5 the exposed see half the items
...     item = rng.integers(1, choice[:, None] + 1, (2_000, 10)).astype(np.uint64)
...     rows = Columns(np.full(2_000, period * day), unit, cohort, np.zeros(2_000, np.int32), np.arange(2_000),
...                    {"items": Ragged(np.arange(2_001) * 10, {"item": Hash(item.ravel())})})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     state, (evidence,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=1e-3, warn=4e-3))
...     if evidence.crossing is not Crossing.NONE:
...         told.append((period, str(evidence.crossing), round(evidence.effect, 1), evidence.change_at // day))
>>> told
[(6, 'page', -0.5, 5)]
>>> evidence.detail["narrowed"]
['exposed']
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import exposures
from detectors.columns import Bools, Columns, Floats, Ints
from detectors.concentration_report import Period, tell
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Mode
from detectors.math import bootstrap

RECOVERY_LEVEL = 0.05
"""Error of the lower bound that must lie above the margin, in two periods after the alarm, for the alert to end."""

_PERIODS = 2
_LEARNING, _WATCHING, _RECOVERING = 0, 1, 2
_MODES = (Mode.LEARNING, Mode.WATCHING, Mode.RECOVERING)
_UNDECIDED, _CONTRAST, _ALONE = 0, 1, 2
_WARN, _PAGE, _CRITICAL = 1, 2, 3


class ConcentrationParams(Params):
    """Parameters of `concentration`."""

    page_if_items_fall_by: Annotated[
        float, Field(gt=0, lt=1, description="tolerated fall of effective items, as a share of the baseline")
    ] = 0.30
    learn_periods: Annotated[int, Field(ge=1, le=100, description="periods whose mean is the baseline")] = 3
    min_units: Annotated[int, Field(ge=20, description="units of each cohort before a period is judged")] = 200
    min_exposures: Annotated[
        int, Field(ge=2, description="items shown to each cohort before a period is judged; an item counts every time")
    ] = 1_000
    max_items: Annotated[
        int,
        Field(ge=1_000, le=20_000_000, description="items counted one by one in a period, 24 bytes each; see `folded`"),
    ] = 1_000_000


@dataclass(frozen=True)
class ConcentrationState:
    """W watches. Arms are (exposed, holdout).

    mode, form   (W,): learning, watching or recovering; undecided, a contrast, or the exposed alone.
    level        (W,): bounds crossed by the open alert: 0 none, 1 warn, 2 page, 3 critical.
    learned      (W,) periods in the baseline; base (W, 2), base_replicates (W, 2, REPLICATES): sums of log effective items.
    below        (W, 3) periods in a row below the margin at warn's and page's error, and below three margins.
    above        (W,) periods in a row that speak for recovery.
    since        (W,) start of the first period of the run that `below` counts, event time ms; 0 if there is none.
    """

    mode: npt.NDArray[np.int8]
    form: npt.NDArray[np.int8]
    level: npt.NDArray[np.int8]
    learned: Ints
    base: Floats
    base_replicates: Floats
    below: Ints
    above: Ints
    since: Ints


class Concentration:
    """See the module's text."""

    name = "concentration"
    family = Family.LOOP
    hint = False
    params = ConcentrationParams
    statistic = exposures.Exposures
    state = ConcentrationState

    def needs(self, p: ConcentrationParams) -> Needs:  # noqa: ARG002 - the same for all parameters
        """`items`, a list with the field `item` (identity), of the slots that the policy fills."""
        return Needs(Stream.PREDICTIONS, ("items",), contrast=True, gated=True)

    def start(self, ps: Sequence[ConcentrationParams]) -> ConcentrationState:
        """Learning."""
        w = len(ps)
        return ConcentrationState(
            mode=np.full(w, _LEARNING, np.int8),
            form=np.full(w, _UNDECIDED, np.int8),
            level=np.zeros(w, np.int8),
            learned=np.zeros(w, np.int64),
            base=np.zeros((w, 2)),
            base_replicates=np.zeros((w, 2, bootstrap.REPLICATES)),
            below=np.zeros((w, 3), np.int64),
            above=np.zeros(w, np.int64),
            since=np.zeros(w, np.int64),
        )

    def prepare(self, p: ConcentrationParams, s: ConcentrationState, row: int) -> int:  # noqa: ARG002
        """The cap on items."""
        return p.max_items

    def empty(self, prep: int) -> exposures.Exposures:  # noqa: ARG002
        """Nobody was shown anything."""
        return exposures.empty()

    def fold(self, prep: int, a: exposures.Exposures, rows: Columns) -> exposures.Exposures:
        """Add what exposed and held-out units were shown."""
        return exposures.merge(a, exposures.of(rows, "items", prep), prep)

    def merge(self, prep: int, a: exposures.Exposures, b: exposures.Exposures) -> exposures.Exposures:
        """Counts add; see `detectors.exposures`."""
        return exposures.merge(a, b, prep)

    def size(self, a: exposures.Exposures) -> int:
        """Units of the smaller cohort; of the exposed alone where nobody is held out."""
        exposed, holdout = exposures.units(a)
        return min(exposed, holdout) if holdout else exposed

    def close(
        self,
        ps: Sequence[ConcentrationParams],
        s: ConcentrationState,
        stats: Sequence[exposures.Exposures],
        tick: Tick,
    ) -> tuple[ConcentrationState, list[Evidence]]:
        """Advance by one period."""
        spreads = [exposures.spread(a) for a in stats]
        s, by_hand = _rearm(s, tick)
        lacking = [_lacking(p, spread, int(form)) for p, spread, form in zip(ps, spreads, s.form, strict=True)]
        judged = np.array([not text for text in lacking]) & ~tick.gated
        logs = np.stack([spread.log_items for spread in spreads])
        replicates = np.stack([spread.replicates for spread in spreads])

        s = _settle_form(s, spreads, judged)
        learning = s.mode == _LEARNING
        effect, change = _compare(s, logs, replicates)
        after, crossed = _judge(ps, s, effect, tick, judged & ~learning)
        after = _learn(ps, after, logs, replicates, judged & learning)
        level = np.where(by_hand & (crossed == Crossing.NONE), Crossing.RECOVERED, crossed)
        told = [
            tell(
                Period(
                    mode=_MODES[after.mode[i]],
                    crossing=Crossing(level[i]),
                    contrast=bool(s.form[i] != _ALONE),
                    compared=bool(judged[i] and not learning[i]),
                    gated=bool(tick.gated[i]),
                    lacking=lacking[i],
                    learned=int(after.learned[i]),
                    learn_periods=p.learn_periods,
                    effect=(float(effect[0][i]), float(effect[1][i])),
                    changes=[(float(change[0][i, arm]), float(change[1][i, arm])) for arm in range(2)],
                    margin=p.page_if_items_fall_by,
                    spend=float(tick.page[i]) if judged[i] and not learning[i] and s.level[i] < _PAGE else 0.0,
                    change_at=int((s if level[i] == Crossing.RECOVERED else after).since[i]) or None,
                    spread=spreads[i],
                    figures=exposures.figures(stats[i]),
                )
            )
            for i, p in enumerate(ps)
        ]
        return after, told


def _rearm(s: ConcentrationState, tick: Tick) -> tuple[ConcentrationState, Bools]:
    """A gate that fails, or a person, breaks every run of periods; a person also closes an open alert."""
    closed = tick.rearm & (s.mode == _RECOVERING)
    broken = tick.gated | tick.rearm
    return (
        replace(
            s,
            mode=np.where(closed, np.int8(_WATCHING), s.mode),
            level=np.where(closed, np.int8(0), s.level),
            below=np.where(broken[:, None], 0, s.below),
            above=np.where(broken, 0, s.above),
            since=np.where(broken & ((s.level == 0) | closed), 0, s.since),
        ),
        closed,
    )


def _lacking(p: ConcentrationParams, spread: exposures.Spread, form: int) -> str:
    """What keeps a period from being judged; empty if nothing does."""
    if spread.exposures.sum() == 0:
        return "no items were shown in this period"
    needed = [0, 1]
    if spread.units[1] == 0:
        if form == _CONTRAST:
            return "nobody of the holdout was shown anything in this period, so there is nothing to compare with"
        needed = [0]
    for arm in needed:
        who = ("exposed", "held-out")[arm]
        if spread.units[arm] < p.min_units:
            return f"{spread.units[arm]:,} {who} units in this period; at least {p.min_units:,} are needed"
        if spread.exposures[arm] < p.min_exposures:
            return f"{spread.exposures[arm]:,} items shown to {who} units; at least {p.min_exposures:,} are needed"
        if not (np.isfinite(spread.log_items[arm]) and np.isfinite(spread.replicates[arm]).all()):
            return f"{spread.exposures[arm]:,} items shown to {who} units, too few of them twice to tell how concentrated they are"
    return ""


def _settle_form(s: ConcentrationState, spreads: Sequence[exposures.Spread], judged: Bools) -> ConcentrationState:
    """The first judged period decides whether there is a holdout; one that comes later starts the baseline anew."""
    held = np.array([spread.units[1] > 0 for spread in spreads])
    form = np.where(judged & (s.form == _UNDECIDED), np.where(held, _CONTRAST, _ALONE), s.form)
    joined = judged & held & (form == _ALONE) & (s.mode != _RECOVERING)
    form = np.where(joined, _CONTRAST, form).astype(np.int8)
    return replace(
        s,
        form=form,
        mode=np.where(joined, np.int8(_LEARNING), s.mode),
        learned=np.where(joined, 0, s.learned),
        base=np.where(joined[:, None], 0.0, s.base),
        base_replicates=np.where(joined[:, None, None], 0.0, s.base_replicates),
        below=np.where(joined[:, None], 0, s.below),
        since=np.where(joined, 0, s.since),
    )


def _compare(
    s: ConcentrationState, logs: Floats, replicates: Floats
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Effect and its standard error (W,), then each arm's own change and its standard error (W, 2): all logarithms."""
    periods = np.maximum(s.learned, 1)
    change = logs - s.base / periods[:, None]
    repeated = replicates - s.base_replicates / periods[:, None, None]
    alone = s.form == _ALONE
    effect = np.where(alone, change[:, 0], change[:, 0] - change[:, 1])
    effect_repeated = np.where(alone[:, None], repeated[:, 0], repeated[:, 0] - repeated[:, 1])
    return (effect, bootstrap.standard_error(effect_repeated)), (change, bootstrap.standard_error(repeated))


def _judge(
    ps: Sequence[ConcentrationParams],
    s: ConcentrationState,
    measured: tuple[Floats, Floats],
    tick: Tick,
    live: Bools,
) -> tuple[ConcentrationState, npt.NDArray[np.str_]]:
    effect, se = measured
    margin = np.log1p(-np.array([p.page_if_items_fall_by for p in ps]))
    spend = np.stack([tick.warn, tick.page, tick.page], axis=1)
    bound = np.stack([margin, margin, 3.0 * margin], axis=1)
    with np.errstate(invalid="ignore"):
        low = effect[:, None] + bootstrap.quantile(spend) * se[:, None] < bound
        clear = effect - bootstrap.quantile(RECOVERY_LEVEL) * se > margin
    below = np.where(live[:, None], np.where(low, s.below + 1, 0), s.below)
    open_ = s.mode == _RECOVERING
    above = np.where(live & open_, np.where(clear, s.above + 1, 0), s.above)
    hit = live[:, None] & (below >= _PERIODS)

    recovered = live & open_ & (above >= _PERIODS)
    to_critical = hit[:, 2] & (s.level == _PAGE)
    to_page = hit[:, 1] & (s.level < _PAGE)
    to_warn = hit[:, 0] & (s.level == 0) & ~to_page
    names = np.select(
        [recovered, to_critical, to_page, to_warn],
        [Crossing.RECOVERED, Crossing.CRITICAL, Crossing.PAGE, Crossing.WARN],
        default=Crossing.NONE,
    )
    level = np.select([recovered, to_critical, to_page, to_warn], [0, _CRITICAL, _PAGE, _WARN], default=s.level).astype(
        np.int8
    )
    run = below.max(axis=1)
    since = np.where(live & (run == 1), tick.start, np.where(live & (run == 0) & ~open_, 0, s.since))
    since = np.where(open_, s.since, since)
    return (
        replace(
            s,
            mode=np.where(to_warn | to_page, _RECOVERING, np.where(recovered, _WATCHING, s.mode)).astype(np.int8),
            level=level,
            below=np.where(recovered[:, None], 0, below),
            above=np.where(recovered, 0, above),
            since=np.where(recovered, 0, since),
        ),
        names,
    )


def _learn(
    ps: Sequence[ConcentrationParams], s: ConcentrationState, logs: Floats, replicates: Floats, rows: Bools
) -> ConcentrationState:
    """Add a period to the baseline; a holdout that does not exist adds nothing."""
    known = np.isfinite(logs) & rows[:, None]
    learned = s.learned + rows
    done = rows & (learned >= np.array([p.learn_periods for p in ps]))
    return replace(
        s,
        learned=learned,
        base=s.base + np.where(known, logs, 0.0),
        base_replicates=s.base_replicates + np.where(known[:, :, None], replicates, 0.0),
        mode=np.where(done, np.int8(_WATCHING), s.mode),
    )
