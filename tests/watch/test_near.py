"""What changed near a time, read off the log of hours."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.watch.near import DAY, HOUR, Hour, Log, Near, around, in_words, unusable
from monitor.watch.origin import Versions

SINCE = 10 * DAY
NOW = SINCE + 6 * HOUR


def log(**at_since: float) -> Log:
    """An hour like the other; from `SINCE` on with `at_since` times as much."""
    items = np.sort(np.random.default_rng(1).integers(1, 2**63, 1_000, np.uint64))
    result = Log()
    for at in range(0, 12 * DAY, HOUR):
        late = at >= SINCE
        n = round(1_000 * (at_since.get("traffic", 1.0) if late else 1.0))
        explored = round(5 * n * 0.05 * (at_since.get("explored", 1.0) if late else 1.0))
        result.hours[at] = Hour([n, n // 10, 0], {"v1": [n, n // 10, 0]}, 5 * n, explored, [n, 0])
        result.items[at - at % DAY] = items[: round(500 * (at_since.get("items", 1.0) if late else 1.0))]
    return result


def found(held: Log, since: int = SINCE, now: int = NOW) -> Near:
    return around(held, since, now, HOUR, {})


def renamed(held: Log, every: int, first: int = SINCE) -> Log:
    """From `first` on a new version every `every` ms, for the exposed."""
    for at, hour in held.hours.items():
        if at >= first:
            n, held_out, _ = hour.versions["v1"]
            hour.versions = {f"w{(at - first) // every}": [n, 0, 0], "v1": [0, held_out, 0]}
    return held


def test_what_did_not_change_is_said_to_have_been_looked_at() -> None:
    near = found(log())
    assert (near.changed, near.exposed, near.step) == ((), Versions.SAME, None)
    assert set(near.unchanged) == {"versions", "traffic", "exploration share", "config"}
    assert near.unknown == ("catalogue",), "no whole day has passed"


def test_a_version_that_takes_over_is_named_with_its_time_and_only_for_whom_it_served() -> None:
    near = found(renamed(log(), 99 * DAY))
    assert near.changed == ((SINCE, "version v1 last seen"), (SINCE, "version w0 first seen"))
    assert (near.exposed, near.holdout) == (Versions.CHANGED, Versions.SAME)
    assert near.step is not None
    assert in_words(near.step) == "version w0 first seen"
    assert "versions" not in near.unchanged


def test_a_version_a_few_hours_away_is_not_near() -> None:
    assert found(renamed(log(), 99 * DAY, SINCE - 8 * HOUR)).exposed is Versions.SAME


def test_a_version_every_few_hours_explains_nothing() -> None:
    near = found(renamed(log(), 6 * HOUR, SINCE - 5 * DAY))
    assert near.exposed is Versions.ROUTINE


def test_a_share_that_moves_is_a_step_and_its_noise_is_none() -> None:
    rng, held = np.random.default_rng(3), log()
    for at, hour in held.hours.items():
        new = int(rng.binomial(1_000, 0.5 if at >= SINCE else 0.2))
        hour.versions = {"v1": [1_000 - new, 0, 0], "v2": [new, 0, 0]}
    near = found(held)
    assert len(near.changed) == 2
    assert "of predictions" in near.changed[0][1]
    assert found(held, SINCE - 2 * DAY, SINCE - DAY).changed == ()


def test_versions_that_are_not_mapped_are_not_known() -> None:
    held = log()
    for hour in held.hours.values():
        hour.versions = {}
    near = found(held)
    assert near.exposed is Versions.UNKNOWN
    assert "versions" in near.unknown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"traffic": 2.0}, "traffic 1,100 to 2,200 predictions an hour"),
        ({"explored": 0.1}, "exploration share 5 % to 0.5 % of items"),
        ({"items": 2.0}, "catalogue 500 to 1,000 different items shown a day"),
    ],
)
def test_traffic_exploration_and_catalogue_are_told_in_figures(changed: dict[str, float], said: str) -> None:
    near = found(log(**changed), SINCE, SINCE + DAY + HOUR)
    assert [what for _, what in near.changed] == [said]


def test_a_change_of_the_config_is_named_and_one_of_last_month_is_not() -> None:
    held = log()
    held.config = [(DAY, "88f1 to 90aa"), (SINCE - HOUR, "90aa to 17c0")]
    near = found(held)
    assert near.changed == ((SINCE - HOUR, "config 90aa to 17c0"),)
    assert "config" not in near.unchanged


def test_the_worst_hour_of_unusable_records_is_told() -> None:
    held = log()
    held.hours[SINCE + HOUR].records = [800, 200]
    assert unusable(held, SINCE, NOW, 0.05, 50) == "20 % of 1,000 records of an hour could not be used"
    assert unusable(held, SINCE - DAY, SINCE, 0.05, 50) == ""


def test_an_unrelated_shift_meets_a_version_by_chance_in_at_most_a_tenth_of_cases() -> None:
    """A version at random moments, a shift at another: how often one is called near the other, and not routine."""
    rng, blamed, runs = np.random.default_rng(17), 0, 600
    for _ in range(runs):
        held, between = Log(), float(rng.choice([20.0, 60.0, 200.0, 800.0]))
        starts = np.cumsum(rng.exponential(between, 400))
        for hour in range(24 * 28):
            held.hours[hour * HOUR] = Hour([100, 0, 0], {f"v{int(np.searchsorted(starts, hour))}": [100, 0, 0]})
        since = int(rng.integers(20 * 24, 28 * 24 - 8)) * HOUR
        blamed += around(held, since, since + 4 * HOUR, HOUR, {}).exposed is Versions.CHANGED
    assert blamed / runs <= 0.10 + 3 * (0.1 * 0.9 / runs) ** 0.5
