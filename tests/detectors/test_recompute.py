"""Every figure that is shown can be computed again from what is stored: over the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from detectors.catalogue import DETECTORS
from detectors.columns import Columns, Numeric
from detectors.detector import Tick
from detectors.evidence import Evidence
from detectors.recompute import NotRecomputable, figures, interval
from tests.benchmarks.calibrate.adapters import COVERED_IN, of
from tests.laws.examples import EXAMPLES, HOUR

WITHOUT_INTERVAL = {"river_hint", "freshness", "rejects", "estimated_performance"}
"""They promise none."""


def _worse(rows: Columns) -> Columns:
    """The same rows after something went wrong: the exposed lose most of their value."""
    value = rows.fields.get("value")
    if not isinstance(value, Numeric):
        return rows
    lower = np.where(rows.cohort == 0, value.values * 0.3, value.values)
    return replace(rows, fields={**rows.fields, "value": Numeric(lower)})


def _stored(name: str) -> Iterator[Evidence]:
    """What a detector says of healthy windows and of worse ones, as it comes back from the database."""
    detector, p, rng = DETECTORS[name], EXAMPLES[name].params, np.random.default_rng(11)
    state = detector.start([p])
    for window in range(30):
        rows = EXAMPLES[name].rows(rng, int(rng.integers(500, 700)), window)
        prep = detector.prepare(p, state, 0)
        statistic = detector.fold(
            prep, detector.empty(prep), _worse(rows) if window >= 18 and "value" in rows.fields else rows
        )
        tick = Tick.plain(window * HOUR, (window + 1) * HOUR, page=1e-4, warn=1e-3)
        state, (told,) = detector.close([p], state, [statistic], tick)
        yield msgspec.json.decode(msgspec.json.encode(told), type=Evidence)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_effect_and_interval_follow_from_what_is_stored(name: str) -> None:
    with_effect, kinds = 0, set[str]()
    for told in _stored(name):
        if told.effect is None:
            continue
        with_effect += 1
        effect, relative = figures(name, told)
        assert effect == pytest.approx(told.effect, rel=1e-9, abs=1e-12)
        if told.relative is not None:
            assert relative == pytest.approx(told.relative, rel=1e-9, abs=1e-9)
        if told.interval is not None:
            kinds.add(told.interval.kind)
            assert interval(told) == pytest.approx((told.interval.low, told.interval.high), rel=1e-9, abs=1e-9)
    assert with_effect
    assert bool(kinds) == (name not in WITHOUT_INTERVAL)
    if "since_start" in kinds:
        assert of(name).truth is not None or name in COVERED_IN, f"{name} claims every look, and nobody measures it"


def test_a_changed_figure_is_noticed() -> None:
    told = [e for e in _stored("cohort_bounded") if e.interval is not None][-1]
    assert told.interval is not None
    forged = msgspec.structs.replace(told, arms={"exposed": 0.9, "holdout": 0.1})
    assert figures("cohort_bounded", forged)[0] != pytest.approx(told.effect)
    narrower = msgspec.structs.replace(told.interval, inputs={**told.interval.inputs, "se": 1e-6})
    assert interval(msgspec.structs.replace(told, interval=narrower)) != pytest.approx(
        (told.interval.low, told.interval.high)
    )


def test_what_cannot_be_computed_again_is_said() -> None:
    told = next(e for e in _stored("cohort_bounded") if e.interval is not None)
    assert told.interval is not None
    nameless = msgspec.structs.replace(told.interval, formula="")
    with pytest.raises(NotRecomputable, match="the interval has no formula"):
        interval(msgspec.structs.replace(told, interval=nameless))
    with pytest.raises(NotRecomputable, match="of the arms left, right"):
        figures("cohort_bounded", msgspec.structs.replace(told, arms={"left": 1.0, "right": 2.0}))
