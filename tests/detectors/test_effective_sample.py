"""What showings are worth when every item counts alike: against Kong's formula, on seeded null streams, and where it is refused."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Columns, Floats, Hash, Numeric, Ragged
from detectors.detector import Tick
from detectors.effective_sample import EffectiveSample, EffectiveSampleParams, worth
from detectors.evidence import Crossing, Evidence, Standing

DAY = 86_400_000
DETECTOR = EffectiveSample()
ITEMS = 50


def chances(steepness: float) -> Floats:
    chance: Floats = np.asarray(np.arange(1, ITEMS + 1) ** -steepness, np.float64)
    result: Floats = chance / chance.sum()
    return result


def slates(rng: np.random.Generator, steepness: float, *, units: int = 600, told: float = 1.0) -> Columns:
    """10 items a unit, drawn by the chances that they carry (a share `told` of them); a tenth of the units is held out."""
    chance = chances(steepness)
    item = rng.choice(ITEMS, units * 10, p=chance)
    propensity = np.where(rng.random(units * 10) < told, chance[item], np.nan)
    items: dict[str, Hash | Numeric] = {
        "item": Hash(item.astype(np.uint64) + np.uint64(1)),
        "propensity": Numeric(propensity),
    }
    return Columns(
        np.zeros(units, np.int64),
        np.arange(1, units + 1, dtype=np.uint64),
        (np.arange(units) % 10 == 0).astype(np.int8),
        np.zeros(units, np.int32),
        np.arange(units),
        {"items": Ragged(np.arange(units + 1) * 10, items)},
    )


def run(
    course: list[float], p: EffectiveSampleParams | None = None, *, seed: int = 1, page: float = 1e-3, told: float = 1.0
) -> list[Evidence]:
    p, rng, said = p or EffectiveSampleParams(), np.random.default_rng(seed), []
    state = DETECTOR.start([p])
    for period, steepness in enumerate(course, start=1):
        a = DETECTOR.fold(None, DETECTOR.empty(None), slates(rng, steepness, told=told))
        tick = Tick.plain(period * DAY, (period + 1) * DAY, page=page, warn=4 * page)
        state, (evidence,) = DETECTOR.close([p], state, [a], tick)
        said.append(evidence)
    return said


def test_the_figure_is_kongs_to_a_thousandth_though_weights_are_kept_in_bins() -> None:
    rng = np.random.default_rng(3)
    rows = slates(rng, 0.6)
    (told,) = run([0.6], seed=3)
    items = rows.fields["items"]
    assert isinstance(items, Ragged)
    chance = items.fields["propensity"]
    assert isinstance(chance, Numeric)
    w = 1.0 / chance.values[np.repeat(rows.cohort == 0, 10)]
    assert told.detail["effective_sample_size"] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=2e-3)
    assert told.n == {"exposed": 540}


def test_one_huge_weight_is_cut_at_a_hundred_means() -> None:
    """Uncut, 999 showings of weight 1 and one of a million would be worth 1.002."""
    counts, weights = np.array([999.0, 1.0]), np.array([1.0, 1e6])
    mean = (999 + 1e6) / 1000
    cut = 100 * mean
    assert float(worth(counts, weights)) == pytest.approx((999 + cut) ** 2 / (999 + cut**2))


def test_a_policy_that_comes_to_choose_a_few_is_told_and_its_return_ends_it() -> None:
    told = run([0.2, 0.2, 1.2, 1.2, 0.2, 0.2])
    assert [(i, str(e.crossing)) for i, e in enumerate(told, 1) if e.crossing is not Crossing.NONE] == [
        (4, "page"),
        (6, "recovered"),
    ]
    assert told[3].change_at == 3 * DAY
    assert told[3].reason.startswith("the next training set is the model's own choice: with every item counting alike")
    assert "fewer than at the baseline" in told[3].reason
    assert "associated_only" not in told[3].detail


def test_too_small_an_effective_sample_is_refused_and_not_alerted_on() -> None:
    told = run([0.2, 0.2, *[2.5] * 4])
    assert [e.standing for e in told[2:]] == [Standing.INSUFFICIENT] * 4
    assert all(e.crossing is Crossing.NONE and e.effect is None for e in told[2:])
    assert "showings of this period are worth" in told[2].reason
    assert "at least 1,000 are needed" in told[2].reason


def test_a_few_missing_propensities_are_counted_and_none_at_all_is_not_computable() -> None:
    (some,) = run([0.2], told=0.95)
    assert some.detail["without_propensity"] == pytest.approx(270, abs=60)
    assert some.standing is Standing.INSUFFICIENT  # it learns
    (few,) = run([0.2], told=0.5)
    assert few.standing is Standing.NOT_COMPUTABLE
    assert "showings carry a propensity" in few.reason
    (none,) = run([0.2], told=0.0)
    assert none.standing is Standing.NOT_COMPUTABLE
    assert "items.propensity is absent" in none.reason


def test_a_fall_at_the_margin_alarms_no_more_often_than_periods_may_spend() -> None:
    """60 courses of 4 compared periods at the edge, .01 each: 2.4 alarms expected at most, each twice in a row."""
    steep = next(s for s in np.arange(0.2, 2.0, 0.005) if _ratio(s) < 0.5 * _ratio(0.2))
    p = EffectiveSampleParams(page_if_effective_falls_by=0.5 + 1e-3, min_effective=10)
    alarms = sum(
        any(e.crossing is not Crossing.NONE for e in run([0.2, *[steep] * 4], p, seed=s, page=0.0025))
        for s in range(60)
    )
    assert alarms <= 2.4 + 3 * np.sqrt(2.4)


def _ratio(steepness: float) -> float:
    chance = chances(steepness)
    return float(ITEMS**2 / np.sum(1.0 / chance))
