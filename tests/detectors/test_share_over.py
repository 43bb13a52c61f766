"""A promise that is kept, just kept, and broken. Streams are seeded; bounds allow three standard errors."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Columns, Floats, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Standing
from detectors.share_over import Over, ShareOver, ShareOverParams

HOUR = 3_600_000
DETECTOR = ShareOver()


def _tick(window: int, watches: int = 1, page: float = 1e-4) -> Tick:
    return Tick.plain(window * HOUR, (window + 1) * HOUR, page=page, warn=page, watches=watches)


def _rows(values: Floats, unit: np.ndarray | None = None) -> Columns:
    n = len(values)
    zeros = np.zeros(n, np.int64)
    return Columns(
        zeros,
        np.arange(1, n + 1, dtype=np.uint64) if unit is None else unit.astype(np.uint64),
        zeros.astype(np.int8),
        zeros.astype(np.int32),
        np.arange(n),
        {"value": Numeric(values), "voting": flag(np.ones(n, np.bool_))},
    )


def _stream(p: ShareOverParams, windows: list[Floats]) -> list[Evidence]:
    state, told = DETECTOR.start([p]), []
    for window, values in enumerate(windows):
        a = DETECTOR.fold(p.limit, DETECTOR.empty(p.limit), _rows(values))
        state, (evidence,) = DETECTOR.close([p], state, [a], _tick(window))
        told.append(evidence)
    return told


@pytest.mark.parametrize(("allowed", "share"), [(0.05, 0.05), (0.01, 0.01), (0.05, 0.04)])
def test_a_promise_that_is_just_kept_alarms_no_more_often_than_was_promised(allowed: float, share: float) -> None:
    streams, windows, bound = 60, 60, 0.2
    rng, ps = np.random.default_rng(750), [ShareOverParams(limit=1.0, at_most=allowed)] * streams
    state, alarmed = DETECTOR.start(ps), np.zeros(streams, np.bool_)
    for window in range(windows):
        stats = [
            Over(
                np.arange(1, 501, dtype=np.uint64), np.stack([np.ones(500, np.int64), rng.random(500) < share], axis=1)
            )
            for _ in range(streams)
        ]
        state, told = DETECTOR.close(ps, state, stats, _tick(window, streams, page=bound / windows))
        alarmed |= [e.crossing is Crossing.PAGE for e in told]
    assert alarmed.mean() <= bound + 3 * np.sqrt(bound * (1 - bound) / streams)


def test_twice_what_is_allowed_is_told_with_the_limit_and_both_shares_and_ends_when_it_is_over() -> None:
    rng, p = np.random.default_rng(751), ShareOverParams(limit=800.0, at_most=0.05)
    told = _stream(p, [np.where(rng.random(1_000) < (0.12 if 5 <= w < 10 else 0.02), 900.0, 300.0) for w in range(30)])
    crossings = [(w, str(e.crossing)) for w, e in enumerate(told) if e.crossing is not Crossing.NONE]
    assert crossings[0][0] in (5, 6)
    assert crossings[-1][1] == "recovered"
    assert 10 <= crossings[-1][0] < 20
    alarm = told[crossings[0][0]]
    assert alarm.reason == f"{alarm.arms['now']:.2%} are over 800; 5.00% are allowed"
    assert alarm.effect == pytest.approx(alarm.arms["now"] - 0.05)
    assert alarm.interval is not None
    assert alarm.effect is not None
    assert alarm.interval.low < alarm.effect < alarm.interval.high
    assert alarm.n.keys() == {"now"}


def test_it_watches_from_the_first_window_and_fewer_than_allowed_is_nobodys_concern() -> None:
    told = _stream(ShareOverParams(limit=1.0, at_most=0.2), [np.zeros(2_000)] * 20 + [np.zeros(0)])
    assert {e.crossing for e in told} == {Crossing.NONE}
    assert told[0].standing is Standing.OK
    assert told[-1].standing is Standing.STALE


def test_a_unit_votes_once_and_missing_values_do_not() -> None:
    values = np.array([2.0, 2.0, 0.0, np.nan, np.inf])
    a = DETECTOR.fold(1.0, DETECTOR.empty(1.0), _rows(values, np.array([1, 1, 1, 2, 3])))
    assert sorted(map(tuple, a.sums.tolist())) == [(1, 1), (3, 2)]
