"""Open Bandit (men): a production policy beside a random one, 10,000 impressions each: how narrow it is, and what can be learned.

Source: Saito, Aihara, Matsutani and Narita 2021, NeurIPS Datasets and Benchmarks, CC BY 4.0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors import exposures
from detectors.columns import Columns, Hash, Numeric, Ragged, flag
from detectors.concentration import Concentration, ConcentrationParams
from detectors.detector import Tick
from detectors.effective_sample import EffectiveSample, EffectiveSampleParams
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.math import bootstrap
from detectors.propensity_check import PropensityCheck, PropensityCheckParams
from tests.figures import Figure
from tests.real_data.shared import table

DAY, HOUR = 86_400_000, 3_600_000
EXPOSED, HOLDOUT = 0, 1


def impressions(policy: str, cohort: int) -> Columns:
    """All impressions of a policy, each its own unit."""
    rows = table(f"obd_men/{policy}.csv.gz")
    n, first = len(rows), 1 if policy == "random" else 1_000_001
    items: dict[str, Hash | Numeric] = {
        "item": Hash(np.array([int(r["item_id"]) + 1 for r in rows], np.uint64)),
        "propensity": Numeric(np.array([float(r["propensity_score"]) for r in rows])),
    }
    return Columns(
        np.zeros(n, np.int64),
        np.arange(first, first + n, dtype=np.uint64),
        np.full(n, cohort, np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"items": Ragged(np.arange(n + 1), items)},
    )


@pytest.fixture(scope="module")
def production() -> Columns:
    return impressions("bts", EXPOSED)


@pytest.fixture(scope="module")
def random() -> Columns:
    return impressions("random", HOLDOUT)


def both(production: Columns, random: Columns) -> exposures.Exposures:
    return exposures.merge(exposures.of(production, "items", 1_000), exposures.of(random, "items", 1_000), 1_000)


def test_the_production_policy_is_as_concentrated_as_a_third_of_the_items_with_an_interval(
    production: Columns, random: Columns, figure: Figure
) -> None:
    told = exposures.reading(both(production, random))
    assert np.exp(told.logs) == pytest.approx([9.86, 33.93], abs=0.01)
    ratio = told.logs[0] - told.logs[1]
    radius = bootstrap.quantile(0.025) * bootstrap.standard_error(told.replicates[0] - told.replicates[1])
    low, high = np.exp([ratio - radius, ratio + radius]).tolist()
    name, share = "Open Bandit: effective items of the production policy, of the random one's", float(np.exp(ratio))
    figure(name, share, "share", len(production) + len(random), target=1.0, met=bool(high < 1.0), ends=(low, high))
    assert (low, share, high) == pytest.approx((0.28, 0.29, 0.30), abs=0.01)


def test_the_published_entropies_are_those_of_the_display_figure(production: Columns, random: Columns) -> None:
    told = exposures.reading(both(production, random)).detail
    normalised = [np.log(told[f"exp_entropy_{arm}"]) / np.log(34) for arm in ("exposed", "holdout")]
    assert normalised == pytest.approx([0.772, 0.999], abs=0.001)


def test_going_from_the_random_to_the_production_policy_is_told_as_narrowing_in_the_second_period(
    production: Columns, random: Columns
) -> None:
    half = np.arange(len(random)) % 2 == 0
    held_out = random.take(half)
    before = replace(random.take(~half), cohort=np.full(int((~half).sum()), EXPOSED, np.int8))
    p, detector = ConcentrationParams(learn_periods=1), Concentration()
    state, told = detector.start([p]), []
    for day, exposed in enumerate([before, before, production, production]):
        a = detector.empty(p)
        for rows in (exposed, held_out):
            a = detector.fold(p, a, rows)
        state, (said,) = detector.close([p], state, [a], Tick.plain(day * DAY, (day + 1) * DAY, page=1e-3, warn=4e-3))
        told.append(said)
    assert [str(e.crossing) for e in told] == ["none", "none", "none", "page"]
    assert told[-1].mode is Mode.RECOVERING
    assert told[-1].detail["narrowed"] == ["exposed"]
    assert told[-1].interval is not None
    assert -0.74 < told[-1].interval.low < told[-1].interval.high < -0.68


def weighed(rows: Columns) -> Evidence:
    p, detector = EffectiveSampleParams(), EffectiveSample()
    a = detector.fold(None, detector.empty(None), replace(rows, cohort=np.full(len(rows), EXPOSED, np.int8)))
    _, (told,) = detector.close([p], detector.start([p]), [a], Tick.plain(0, DAY, page=1e-3, warn=4e-3))
    return told


def test_ten_thousand_showings_of_production_are_worth_too_few_and_that_is_refused_and_not_alerted_on(
    production: Columns, random: Columns, figure: Figure
) -> None:
    refused = weighed(production)
    worth, is_refused = refused.detail["effective_sample_size"], refused.standing is Standing.INSUFFICIENT
    figure(
        "Open Bandit: 10,000 showings of production are worth too few, and refused",
        worth,
        "showings",
        10_000,
        target=1_000,
        met=is_refused,
    )
    assert refused.detail["effective_sample_size"] == pytest.approx(785.4, rel=3e-3)
    assert (refused.standing, refused.crossing, refused.effect) == (Standing.INSUFFICIENT, Crossing.NONE, None)
    assert refused.reason.startswith("the 10,000 showings of this period are worth 786 when every item counts alike")
    assert weighed(random).detail["effective_sample_size"] == pytest.approx(10_000.0)
    assert weighed(random).reason == "learning: 1 of 1 periods for the baseline"


def checked(rows: Columns, largest: float) -> Evidence:
    """What ten windows of a thousand impressions say of their propensities, with a catalogue of 34 items."""
    p, detector = PropensityCheckParams(catalogue=34, largest=largest), PropensityCheck()
    state, rows = detector.start([p]), rows.having(voting=flag(np.ones(len(rows), np.bool_)))
    for hour, part in enumerate(np.array_split(np.arange(len(rows)), 10)):
        a = detector.fold(p, detector.empty(p), rows.take(part))
        tick = Tick.plain(hour * HOUR, (hour + 1) * HOUR, page=1e-4, warn=4e-4)
        state, (told,) = detector.close([p], state, [a], tick)
        assert told.crossing is Crossing.NONE
    return told


def test_the_published_propensities_are_those_of_the_draws_as_far_as_weights_are_not_cut(
    production: Columns, random: Columns
) -> None:
    assert checked(random, 20.0).arms["now"] == pytest.approx(1.0, abs=1e-4)
    whole = checked(production, 1_000.0)
    assert whole.interval is not None
    assert whole.arms["now"] == pytest.approx(0.943, abs=1e-3)
    assert whole.interval.low < 0.0 < whole.interval.high
    cut = checked(production, 20.0)
    assert cut.interval is not None
    assert cut.arms["now"] == pytest.approx(0.862, abs=1e-3)
    assert cut.interval.high < -0.05
