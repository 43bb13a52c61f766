"""Have records stopped coming? One watch a stream: the predictions, each kind of outcome, the holdout's predictions.

Windows are in arrival time, a minute each, and a row is a count. The watch learns how many records to expect in each hour of
the day, and of the week once it has been seen; an hour counts as expected at the lowest of these and of its neighbours, less
two standard errors. While nothing arrives the expected counts add up to E. It fires when E / phi >= log(1 / spend), where phi,
at least 1, is the overdispersion of the counts or the mean size of former silences, whichever is larger. So a quiet night
within the season adds nearly nothing, and a busy stream fires within a minute or two.

Null: counts are an overdispersed Poisson stream, so that a silence that begins in a given window grows to E with chance at most
exp(-E / phi) (for negative binomial windows P(0) = (1 + mu/r)^-r <= exp(-mu / phi), as log x >= 1 - 1/x). At most one silence
begins in a window, so expected false alarms are at most the sum of the spends. Asymptotic in the learned rates. Only silence is
judged, not a drop; hours never seen are not judged; a stream that is regularly silent at times with no pattern in the week is
covered only as far as such silences ended before the alarm. What an alarm covered is not learned, unless a person re-arms the watch.

Source: Cox and Lewis 1966, "The statistical analysis of series of events" (waiting times); McCullagh and Nelder 1989, section
4.5 (dispersion from Pearson's statistic).

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric
>>> from detectors.detector import Tick
>>> from detectors.evidence import Crossing
>>> rng, minute, detector, p = np.random.default_rng(2), 60_000, Freshness(), FreshnessParams()
>>> state, told, none = detector.start([p]), [], np.zeros(1, np.int64)
>>> for window in range(200):
...     records = rng.poisson(20) if window < 150 or window >= 170 else 0
...     rows = Columns(none, none.astype(np.uint64), none.astype(np.int8), none.astype(np.int32), none,
...                    {"count": Numeric(np.array([float(records)]))})
...     a = detector.fold(None, detector.empty(None), rows)
...     tick = Tick.plain(window * minute, (window + 1) * minute, page=1e-7, warn=4e-7)
...     state, (evidence,) = detector.close([p], state, [a], tick)
...     if evidence.crossing is not Crossing.NONE:
...         told.append((window, str(evidence.crossing), evidence.change_at // minute))
>>> told
[(151, 'page', 150), (172, 'recovered', 150)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors.columns import Bools, Columns, Floats
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence
from detectors.freshness_report import Told, tell
from detectors.freshness_state import LEARNING, MINUTE, PAGE, RECOVERING, WARN, WATCHING, FreshnessState, Window, bar
from detectors.math import season

_NEVER_MERGED = 2**31 - 1


class FreshnessParams(Params):
    """Parameters of `freshness`."""

    min_windows: Annotated[int, Field(ge=1, description="windows learned before watching begins")] = 120
    min_records: Annotated[int, Field(ge=1, description="records learned before watching begins")] = 30
    recover_windows: Annotated[int, Field(ge=1, description="windows in a row with records before the alert ends")] = 3
    recover_share: Annotated[
        float, Field(ge=0, le=1, description="share of the expected records that must come in these windows")
    ] = 0.10
    memory_weeks: Annotated[int, Field(ge=1, le=52, description="weeks over which an hour's rate is averaged")] = 8


@dataclass(frozen=True)
class Arrived:
    """How many records arrived."""

    records: int


class Freshness:
    """See the module's text."""

    name = "freshness"
    family = Family.FRESHNESS
    hint = False
    params = FreshnessParams
    statistic = Arrived
    state = FreshnessState

    def needs(self, p: FreshnessParams) -> Needs:
        """`count`, records that arrived; several rows add up."""
        return Needs(Stream.ARRIVALS, ("count",), by_unit=False)

    def start(self, ps: Sequence[FreshnessParams]) -> FreshnessState:
        """Learning."""
        w = len(ps)
        zeros, none = np.zeros(w), np.full(w, -1, np.int64)
        return FreshnessState(
            mode=np.full(w, LEARNING, np.int8),
            level=np.zeros(w, np.int8),
            windows=np.zeros(w, np.int64),
            records=np.zeros(w, np.int64),
            rates=season.no_rates(w),
            dispersion=season.no_dispersion(w),
            expected=zeros,
            first=zeros.copy(),
            silent_since=none,
            bar_warn=zeros.copy(),
            bar_page=zeros.copy(),
            held=np.zeros((w, season.HOURS)),
            held_squares=zeros.copy(),
            held_predicted=zeros.copy(),
            opened_since=none.copy(),
            returned=np.zeros(w, np.int64),
            returned_records=zeros.copy(),
            returned_expected=zeros.copy(),
        )

    def prepare(self, p: FreshnessParams, s: FreshnessState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Arrived:
        """No records."""
        return Arrived(0)

    def fold(self, prep: None, a: Arrived, rows: Columns) -> Arrived:
        """Add the counts; a missing one counts as none."""
        told = rows.numbers("count")
        return Arrived(a.records + int(np.rint(told[np.isfinite(told)]).sum()))

    def merge(self, prep: None, a: Arrived, b: Arrived) -> Arrived:
        """Counts add."""
        return Arrived(a.records + b.records)

    def size(self, a: Arrived) -> int:
        """Large whatever arrived: silence is data, so a window is never merged with the next."""
        return _NEVER_MERGED

    def close(
        self, ps: Sequence[FreshnessParams], s: FreshnessState, stats: Sequence[Arrived], tick: Tick
    ) -> tuple[FreshnessState, list[Evidence]]:
        """Advance by one window of arrival time."""
        s, by_hand = _rearm(ps, s, tick)
        phi = season.overdispersion(s.dispersion)
        minutes = (tick.end - tick.start) / MINUTE
        likely, least, known = season.expect(s.rates, tick.start, phi)
        records = np.array([a.records for a in stats], np.int64)
        window = Window(records, minutes, likely * minutes, least * minutes, known, ~tick.gated)
        grown = _grow(s, window, tick)
        judged, crossed = _judge(ps, grown, window, phi, tick)
        after = _learn(ps, judged, window, s, tick)
        crossing = np.where(by_hand & (crossed == Crossing.NONE), Crossing.RECOVERED, crossed)
        return after, [
            tell(ps[i], Told(s, grown, after, window, float(phi[i]), tick), i, Crossing(crossing[i]))
            for i in range(len(ps))
        ]


def _rearm(ps: Sequence[FreshnessParams], s: FreshnessState, tick: Tick) -> tuple[FreshnessState, Bools]:
    """A person says that the silence was normal: it is learned as part of the season, and the alert is closed."""
    if not tick.rearm.any():
        return s, np.zeros(len(ps), np.bool_)
    closed = tick.rearm & (s.mode == RECOVERING)
    silent = tick.rearm & (s.silent_since >= 0)
    s = replace(
        s,
        mode=np.where(closed, np.int8(WATCHING), s.mode),
        level=np.where(closed, np.int8(0), s.level),
        rates=season.add_minutes(s.rates, np.where(silent[:, None], s.held, 0.0), _memory(ps)),
        opened_since=np.where(closed, -1, s.opened_since),
    )
    return _end_silence(s, tick.rearm), closed


def _memory(ps: Sequence[FreshnessParams]) -> Floats:
    """Minutes that an hour of the week remembers: one hour a week."""
    return np.array([60.0 * p.memory_weeks for p in ps])


def _end_silence(s: FreshnessState, rows: Bools) -> FreshnessState:
    if not (rows & (s.silent_since >= 0)).any():
        return s
    return replace(
        s,
        expected=np.where(rows, 0.0, s.expected),
        first=np.where(rows, 0.0, s.first),
        silent_since=np.where(rows, -1, s.silent_since),
        bar_warn=np.where(rows, 0.0, s.bar_warn),
        bar_page=np.where(rows, 0.0, s.bar_page),
        held=np.where(rows[:, None], 0.0, s.held),
        held_squares=np.where(rows, 0.0, s.held_squares),
        held_predicted=np.where(rows, 0.0, s.held_predicted),
    )


def _grow(s: FreshnessState, window: Window, tick: Tick) -> FreshnessState:
    """An empty window lengthens the silence."""
    empty = window.live & (window.records == 0)
    if not empty.any():
        return s
    began = empty & (s.silent_since < 0)
    held = s.held.copy()
    held[np.arange(len(held)), season.hour_of_week(tick.start)] += np.where(empty, window.minutes, 0.0)
    return replace(
        s,
        expected=s.expected + np.where(empty, window.least, 0.0),
        first=np.where(began, window.least, s.first),
        silent_since=np.where(began, tick.start, s.silent_since),
        bar_warn=np.where(empty, np.maximum(s.bar_warn, bar(tick.warn)), s.bar_warn),
        bar_page=np.where(empty, np.maximum(s.bar_page, bar(tick.page)), s.bar_page),
        held=held,
        held_squares=s.held_squares + np.where(empty, window.likely**2, 0.0),
        held_predicted=s.held_predicted + np.where(empty, window.likely, 0.0),
    )


def _judge(
    ps: Sequence[FreshnessParams], s: FreshnessState, window: Window, phi: Floats, tick: Tick
) -> tuple[FreshnessState, npt.NDArray[np.str_]]:
    silent = window.live & (window.records == 0) & (s.mode != LEARNING)
    open_ = s.mode == RECOVERING
    if not (silent | open_).any():
        return s, np.full(len(ps), Crossing.NONE)
    size = s.expected / phi
    hit_page = silent & (s.level < PAGE) & (tick.page > 0) & (size >= s.bar_page)
    hit_warn = silent & (s.level == 0) & ~hit_page & (tick.warn > 0) & (size >= s.bar_warn)
    back = window.live & open_ & (window.records > 0)
    counting = window.live & open_
    returned = np.where(counting, np.where(back, s.returned + 1, 0), s.returned)
    records = np.where(counting, np.where(back, s.returned_records + window.records, 0.0), s.returned_records)
    expected = np.where(counting, np.where(back, s.returned_expected + window.likely, 0.0), s.returned_expected)
    share = np.array([p.recover_share for p in ps])
    recovered = back & (returned >= np.array([p.recover_windows for p in ps])) & (records >= share * expected)
    opened = (hit_page | hit_warn) & ~open_
    restart = opened | recovered
    return (
        replace(
            s,
            mode=np.where(opened, RECOVERING, np.where(recovered, WATCHING, s.mode)).astype(np.int8),
            level=np.select([recovered, hit_page, hit_warn], [0, PAGE, WARN], default=s.level).astype(np.int8),
            opened_since=np.where(opened, s.silent_since, np.where(recovered, -1, s.opened_since)),
            returned=np.where(restart, 0, returned),
            returned_records=np.where(restart, 0.0, records),
            returned_expected=np.where(restart, 0.0, expected),
        ),
        np.select(
            [recovered, hit_page, hit_warn],
            [Crossing.RECOVERED, Crossing.PAGE, Crossing.WARN],
            default=Crossing.NONE,
        ),
    )


def _learn(
    ps: Sequence[FreshnessParams], s: FreshnessState, window: Window, before: FreshnessState, tick: Tick
) -> FreshnessState:
    """A window with records ends the silence; it and an empty stretch before it are learned if no alert was open."""
    arrived = window.live & (window.records > 0)
    learned = arrived & (before.mode != RECOVERING)
    counted = np.where(window.known, np.minimum(window.records, 10.0 * window.likely + 10.0), window.records)
    hour = season.hour_of_week(tick.start)
    memory = _memory(ps)
    held = np.where(learned[:, None], s.held, 0.0)
    rates = season.add_minutes(s.rates, held, memory) if held.any() else s.rates
    rates = season.add(rates, hour, np.where(learned, counted, 0.0), np.where(learned, window.minutes, 0.0), memory)
    measured = learned & window.known
    dispersion = season.scatter(
        s.dispersion,
        squares=np.where(learned, s.held_squares, 0.0) + np.where(measured, (counted - window.likely) ** 2, 0.0),
        predicted=np.where(learned, s.held_predicted, 0.0) + np.where(measured, window.likely, 0.0),
        silences=(learned & (s.silent_since >= 0) & (s.first > 0)).astype(np.float64),
        excess=np.where(learned, s.expected - s.first, 0.0),
        keep=1.0 - np.minimum(np.where(learned, window.minutes, 0.0) / (season.HOURS * memory), 1.0),
    )
    windows = s.windows + (window.live & (s.mode == LEARNING))
    records = s.records + np.where(learned, window.records, 0)
    ready = (
        arrived
        & (s.mode == LEARNING)
        & (windows >= np.array([p.min_windows for p in ps]))
        & (records >= np.array([p.min_records for p in ps]))
    )
    s = replace(
        s,
        rates=rates,
        dispersion=dispersion,
        windows=windows,
        records=records,
        mode=np.where(ready, np.int8(WATCHING), s.mode),
    )
    return _end_silence(s, arrived)
