"""Can too many records of a stream not be used? One watch a stream, on windows of arrival time; a limit, not a test.

Of the last `windows` windows, `rejected` records could not be used and `events` could. The watch fires when at least `at_least`
came and more than `at_most` of them were rejected, and recovers when no more than half of that are: the distance keeps a share
near the limit from flapping. Both are counts of all records, not of a sample, so there is no chance to bound and no budget to
spend. While it is open the stream is stale: what its other records say may be true of the wrong ones.

>>> import numpy as np
>>> from detectors.columns import Columns, Numeric
>>> from detectors.detector import Tick
>>> detector, p, minute = Rejects(), RejectsParams(windows=2), 60_000
>>> state, told, none = detector.start([p]), [], np.zeros(1, np.int64)
>>> for window, rejected in enumerate([1, 1, 30, 0, 0]):
...     count = {"count": Numeric(np.array([100.0])), "rejected": Numeric(np.array([float(rejected)]))}
...     rows = Columns(none, none.astype(np.uint64), none.astype(np.int8), none.astype(np.int32), none, count)
...     a = detector.fold(None, detector.empty(None), rows)
...     tick = Tick.plain(window * minute, (window + 1) * minute, page=0.0, warn=0.0)
...     state, (evidence,) = detector.close([p], state, [a], tick)
...     told.append((str(evidence.standing), str(evidence.crossing)))
>>> told
[('ok', 'none'), ('ok', 'none'), ('stale', 'page'), ('stale', 'none'), ('ok', 'recovered')]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from detectors.columns import Bools, Columns, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing

LONGEST = 60
"""Windows that are remembered."""
_NEVER_MERGED = 2**31 - 1
_RECOVERED_AT = 0.5


class RejectsParams(Params):
    """Parameters of `rejects`."""

    at_most: Annotated[float, Field(ge=0, lt=1, description="share of records that may be rejected")] = 0.05
    at_least: Annotated[int, Field(ge=1, description="records needed to judge")] = 50
    windows: Annotated[int, Field(ge=1, le=LONGEST, description="windows over which records are counted")] = 15


@dataclass(frozen=True)
class Refused:
    """Records of a window that could be used, and that could not."""

    events: int
    rejected: int


@dataclass(frozen=True)
class RejectsState:
    """Of W watches: the last `LONGEST` windows, newest first (W, LONGEST), and since when a watch is open, ms; -1 if it is not."""

    events: Ints
    rejected: Ints
    opened_since: Ints


class Rejects:
    """See the module's text."""

    name = "rejects"
    family = Family.QUALITY
    hint = False
    params = RejectsParams
    statistic = Refused
    state = RejectsState

    def needs(self, p: RejectsParams) -> Needs:
        """`count` and `rejected`, records that arrived and could or could not be used; several rows add up."""
        return Needs(Stream.ARRIVALS, ("count", "rejected"), by_unit=False)

    def start(self, ps: Sequence[RejectsParams]) -> RejectsState:
        """Nothing has come."""
        w = len(ps)
        none = np.zeros((w, LONGEST), np.int64)
        return RejectsState(none, none.copy(), np.full(w, -1, np.int64))

    def prepare(self, p: RejectsParams, s: RejectsState, row: int) -> None:
        """Nothing of the past is needed to fold."""

    def empty(self, prep: None) -> Refused:
        """No records."""
        return Refused(0, 0)

    def fold(self, prep: None, a: Refused, rows: Columns) -> Refused:
        """Add the counts; a missing one counts as none."""
        return Refused(a.events + _total(rows, "count"), a.rejected + _total(rows, "rejected"))

    def merge(self, prep: None, a: Refused, b: Refused) -> Refused:
        """Counts add."""
        return Refused(a.events + b.events, a.rejected + b.rejected)

    def size(self, a: Refused) -> int:
        """Large whatever arrived: windows are counted together anyway, so none is merged with the next."""
        return _NEVER_MERGED

    def close(
        self, ps: Sequence[RejectsParams], s: RejectsState, stats: Sequence[Refused], tick: Tick
    ) -> tuple[RejectsState, list[Evidence]]:
        """Advance by one window of arrival time."""
        live = ~tick.gated
        events = _pushed(s.events, [a.events for a in stats], live, tick.rearm)
        rejected = _pushed(s.rejected, [a.rejected for a in stats], live, tick.rearm)
        windows = np.arange(LONGEST) < np.array([p.windows for p in ps])[:, None]
        good, bad = (events * windows).sum(axis=1), (rejected * windows).sum(axis=1)
        limit = np.array([p.at_most for p in ps])
        enough = live & (good + bad >= np.array([p.at_least for p in ps]))
        was_open = s.opened_since >= 0
        opens = ~was_open & enough & (bad > limit * (good + bad))
        closes = was_open & (tick.rearm | (enough & (bad <= _RECOVERED_AT * limit * (good + bad))))
        crowded = windows & (rejected > limit[:, None] * (events + rejected))
        oldest = LONGEST - 1 - np.argmax(crowded[:, ::-1], axis=1)
        since = tick.start - oldest * (tick.end - tick.start)
        opened = np.where(opens, since, np.where(closes, -1, s.opened_since))
        told = [
            _tell(
                p,
                (int(good[i]), int(bad[i])),
                crossing=Crossing.PAGE if opens[i] else Crossing.RECOVERED if closes[i] else Crossing.NONE,
                since=int(s.opened_since[i] if closes[i] else opened[i]),
                judged=bool(enough[i]),
                minutes=min(p.windows, LONGEST) * float(tick.end[i] - tick.start[i]) / 60_000,
                gated=bool(tick.gated[i]),
            )
            for i, p in enumerate(ps)
        ]
        return RejectsState(events, rejected, opened), told


def _total(rows: Columns, name: str) -> int:
    told = rows.numbers(name)
    return int(np.rint(told[np.isfinite(told)]).sum())


def _pushed(ring: Ints, newest: Sequence[int], live: Bools, cleared: Bools) -> Ints:
    """The ring with the newest window in front, where it is live; empty before it where it was cleared."""
    pushed = np.roll(np.where(cleared[:, None], 0, ring), 1, axis=1)
    pushed[:, 0] = newest
    return np.where(live[:, None], pushed, ring)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _tell(
    p: RejectsParams,
    counts: tuple[int, int],
    *,
    crossing: Crossing,
    since: int,
    judged: bool,
    minutes: float,
    gated: bool,
) -> Evidence:
    good, bad = counts
    read = good + bad
    share = bad / read if read else None
    is_open = since >= 0 and crossing is not Crossing.RECOVERED
    told = (
        ""
        if share is None
        else f"{_percent(share)} of {read:,} records in the last {minutes:g} minutes could not be used"
    )
    if gated:
        standing, reason = Standing.BLIND, "a gate fails, so arrivals are not judged"
    elif is_open:
        standing = Standing.STALE
        reason = f"{told or 'no records come'}; at most {_percent(p.at_most)} may be, and half of that ends the alert"
    elif judged or crossing is Crossing.RECOVERED:
        standing, reason = Standing.OK, told if bad else ""
    else:
        standing = Standing.INSUFFICIENT
        reason = f"{read:,} of the {p.at_least:,} records needed came in the last {minutes:g} minutes"
    return Evidence(
        mode=Mode.RECOVERING if is_open else Mode.WATCHING,
        standing=standing,
        crossing=crossing,
        n={"rejected": bad, "read": read},
        arms={} if share is None else {"rejected": share},
        effect=share,
        unit="share of records",
        margin=p.at_most,
        change_at=since if since >= 0 else None,
        reason=reason,
    )
