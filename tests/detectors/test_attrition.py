"""B8: the same people compared day after day raise no more false alarms than is spent; who stays away is found."""

from __future__ import annotations

import numpy as np

from detectors.attrition import Attrition, AttritionParams, Comings
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Standing

DETECTOR, PARAMS, DAY = Attrition(), AttritionParams(), 86_400_000
DAYS, SPENT = 28, 0.2


def told(seed: int, runs: int, exposed: float = 1.0, since: int = DAYS, *, people: int = 6_000) -> list[list[Evidence]]:
    """Evidence (T, W): everybody keeps a habit of coming (sd .3), so that chance imbalance of the cohorts stays for good.

    exposed   the factor of their habit from day `since` on.
    """
    rng = np.random.default_rng(seed)
    habit, held = rng.beta(0.9, 0.9, (runs, people)), rng.random((runs, people)) < 0.1
    state, heard = DETECTOR.start([PARAMS] * runs), []
    for day in range(DAYS):
        chance = np.where(held | (day < since), habit, habit * exposed)
        came = (rng.random((runs, people)) < chance) | (day == 0)
        count = np.array([[c[~h].sum(), c[h].sum()] for c, h in zip(came, held, strict=True)])
        stats = [Comings(np.array([c, [0, 0]] if day == 0 else [[0, 0], c], np.int64)) for c in count]
        tick = Tick.plain(day * DAY, (day + 1) * DAY, page=SPENT / DAYS, warn=0.0, watches=runs)
        state, evidence = DETECTOR.close([PARAMS] * runs, state, stats, tick)
        heard.append(evidence)
    return heard


def test_a_habit_that_the_cohorts_do_not_share_alike_by_chance_costs_no_more_than_is_spent() -> None:
    runs = 300
    pages = sum(e.crossing is Crossing.PAGE for row in told(5, runs) for e in row)
    assert pages / runs <= SPENT + 3 * np.sqrt(SPENT / runs)


def test_a_tenth_less_is_tolerated_and_a_third_is_found_within_days() -> None:
    tolerated = told(6, 40, 0.92, 10)
    assert np.mean([any(row[i].crossing is Crossing.PAGE for row in tolerated) for i in range(40)]) <= 0.1
    heard = told(7, 40, 0.65, 10)
    first = [next((t for t, row in enumerate(heard) if row[i].crossing is Crossing.PAGE), DAYS) for i in range(40)]
    assert np.median(first) <= 12
    assert min(first) >= 11
    page = next(e for e in heard[11] if e.crossing is Crossing.PAGE)
    assert page.change_at == 10 * DAY
    assert page.reason.startswith("exposed and held-out people no longer come alike: ")


def test_a_day_on_which_nobody_comes_is_no_verdict_and_few_held_out_are_too_few() -> None:
    state = DETECTOR.start([PARAMS])
    for enrolled, came, standing in (
        ([900, 100], [0, 0], Standing.INSUFFICIENT),
        ([0, 0], [400, 40], Standing.INSUFFICIENT),
        ([900, 100], [400, 40], Standing.INSUFFICIENT),
        ([0, 0], [800, 80], Standing.OK),
        ([0, 0], [0, 0], Standing.STALE),
    ):
        tick = Tick.plain(0, DAY, page=1e-3, warn=4e-3)
        state, (e,) = DETECTOR.close([PARAMS], state, [Comings(np.array([enrolled, came]))], tick)
        assert e.standing is standing
    assert state.enrolled.tolist() == [[1_800, 200]]
