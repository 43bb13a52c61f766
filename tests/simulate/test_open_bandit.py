"""The demo's streams: what is real stays real, what is planted is where the truth says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monitor.simulate import open_bandit
from monitor.simulate.open_bandit import DAY_MS, FIRST_DAY, Plant, Stream

PLANT = Plant(after_days=6, for_days=8, keep=0.25)


def stream(*, seed: int = 5, plant: Plant | None = None, shuffled: bool = False) -> Stream:
    return open_bandit.resampled(seed, 200_000, days=20, plant=plant, shuffled_cohorts=shuffled)


def click_rate(of: Stream, chosen: np.ndarray) -> float:
    clicked = np.zeros(len(of), np.bool_)
    clicked[of.clicked] = True
    return float(clicked[chosen].mean())


def test_the_real_log_has_the_published_clicks_of_both_policies() -> None:
    log = open_bandit.load()
    assert len(log.time) == 20_000
    assert int(log.clicked[log.exposed].sum()) == 69
    assert int(log.clicked[~log.exposed].sum()) == 46
    assert np.count_nonzero(log.exposed) == 10_000
    assert np.all(np.diff(log.time) >= 0)


def test_the_random_policy_shows_every_item_with_the_same_propensity() -> None:
    log = open_bandit.load()
    assert np.unique(log.propensity[~log.exposed]).tolist() == [1 / 34]
    assert len(np.unique(log.propensity[log.exposed])) > 1_000


def test_untouched_events_repeat_the_log_row_by_row() -> None:
    real = open_bandit.untouched()
    shown = [json.loads(line) for line in open_bandit.predictions(real)]
    clicked = [json.loads(line) for line in open_bandit.clicks(real)]
    assert len(shown) == 20_000
    assert len({event["visitor"] for event in shown}) == 20_000
    assert len(clicked) == 115
    assert [event["served_at"] for event in shown] == real.log.time.tolist()
    by_id = {event["impression_id"]: event for event in shown}
    assert all(by_id[click["impression_id"]]["item_id"] == click["item_id"] for click in clicked)
    assert {event["source"] for event in shown} == {"open-bandit"}
    assert sum(by_id[click["impression_id"]]["policy"] == "bts" for click in clicked) == 69


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    def files(seed: int, name: str) -> list[bytes]:
        written = open_bandit.write(tmp_path / name, open_bandit.resampled(seed, 5_000, days=3, plant=Plant()))
        return [path.read_bytes() for path in written.paths.values()]

    assert files(1, "a") == files(1, "b")
    assert files(1, "a") != files(2, "c")


def test_without_a_plant_click_rates_are_near_the_real_ones() -> None:
    null = stream()
    sd = (0.0069 / 100_000) ** 0.5
    assert click_rate(null, null.exposed) == pytest.approx(0.0069, abs=4 * sd)
    assert click_rate(null, ~null.exposed) == pytest.approx(0.0046, abs=4 * sd)
    assert null.truth.starts_at is None
    assert not null.truth.cohorts_differ_by_plant


def test_a_plant_takes_clicks_of_the_exposed_within_its_interval_and_nothing_else() -> None:
    null, harmed = stream(), stream(plant=PLANT)
    assert np.array_equal(null.served_at, harmed.served_at)
    assert np.array_equal(null.row, harmed.row)
    lost = np.setdiff1d(null.clicked, harmed.clicked)
    assert len(lost) == harmed.truth.clicks_removed > 100
    assert np.all(np.isin(harmed.clicked, null.clicked))
    assert np.all(harmed.exposed[lost])
    starts_at, ends_at = harmed.truth.starts_at, harmed.truth.ends_at
    assert starts_at == FIRST_DAY + 6 * DAY_MS
    assert ends_at == FIRST_DAY + 14 * DAY_MS
    assert harmed.served_at[lost].min() >= starts_at
    assert harmed.served_at[lost].max() < ends_at
    assert harmed.truth.cohorts_differ_by_plant


def test_the_share_of_clicks_kept_is_the_planted_one() -> None:
    null, harmed = stream(), stream(plant=PLANT)
    assert harmed.truth.starts_at is not None
    assert harmed.truth.ends_at is not None
    inside = (null.served_at >= harmed.truth.starts_at) & (null.served_at < harmed.truth.ends_at) & null.exposed
    before = int(inside[null.clicked].sum())
    after = int(inside[harmed.clicked].sum())
    assert after / before == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / before) ** 0.5)


def test_shuffling_keeps_everything_but_who_bears_which_label() -> None:
    harmed, silent = stream(plant=PLANT), stream(plant=PLANT, shuffled=True)
    assert np.array_equal(harmed.served_at, silent.served_at)
    assert np.array_equal(harmed.clicked, silent.clicked)
    assert np.array_equal(harmed.clicked_at, silent.clicked_at)
    assert np.array_equal(harmed.row, silent.row)
    assert np.count_nonzero(harmed.exposed) == np.count_nonzero(silent.exposed)
    assert not np.array_equal(harmed.exposed, silent.exposed)
    assert not silent.truth.cohorts_differ_by_plant
    rate = len(silent.clicked) / len(silent)
    sd = (rate * 2 / 100_000) ** 0.5
    assert abs(click_rate(silent, silent.exposed) - click_rate(silent, ~silent.exposed)) < 4 * sd


def test_times_are_sorted_and_clicks_follow_their_impression_within_half_an_hour() -> None:
    harmed = stream(plant=PLANT)
    assert np.all(np.diff(harmed.served_at) >= 0)
    assert np.all(np.diff(harmed.clicked_at) >= 0)
    delay = harmed.clicked_at - harmed.served_at[harmed.clicked]
    assert delay.min() >= 1
    assert delay.max() < 30 * 60_000
    assert delay.mean() == pytest.approx(40_000, rel=0.15)
    assert harmed.served_at[0] >= FIRST_DAY
    assert harmed.served_at[-1] < FIRST_DAY + 20 * DAY_MS


def test_the_hours_of_the_day_are_as_busy_as_in_the_real_log_and_alike_in_both_cohorts() -> None:
    null = stream()
    real = np.bincount(null.log.time % DAY_MS // 3_600_000, minlength=24) / len(null.log.time)
    hour = null.served_at % DAY_MS // 3_600_000
    made = np.bincount(hour, minlength=24) / len(null)
    assert np.abs(real - made).max() < 0.01
    assert real.max() > 5 * real.min()
    of_exposed = np.bincount(hour[null.exposed], minlength=24) / np.bincount(hour, minlength=24)
    assert np.abs(of_exposed - 0.5).max() < 4 * 0.5 / np.bincount(hour).min() ** 0.5


def test_written_lines_are_json_with_every_field_and_the_counts_told(tmp_path: Path) -> None:
    made = open_bandit.resampled(9, 50_001, days=12, plant=PLANT)
    written = open_bandit.write(tmp_path / "new" / "folder", made)
    shown = written.paths["predictions"].read_bytes().splitlines()
    clicked = written.paths["clicks"].read_bytes().splitlines()
    assert len(shown) == written.impressions == 50_001
    assert len(clicked) == written.clicks > 100
    first = json.loads(shown[0])
    assert set(first) == {
        "impression_id", "served_at", "visitor", "policy", "ranker_version",
        "item_id", "slot", "propensity", "source", "seed",
    }  # fmt: skip
    assert first["source"] == "open-bandit-resampled"
    assert first["seed"] == 9
    assert first["policy"] in {"bts", "random"}
    assert json.loads(clicked[0])["source"] == "open-bandit-resampled"
    truth = json.loads(written.paths["truth"].read_bytes())
    assert truth["starts_at"] == written.truth.starts_at
    assert truth["keep"] == 0.25


@pytest.mark.parametrize(("impressions", "days"), [(0, 3), (10, 0)])
def test_nothing_to_draw_is_refused_in_words(impressions: int, days: int) -> None:
    with pytest.raises(ValueError, match="allowed is 1 or more"):
        open_bandit.resampled(1, impressions, days=days)


@pytest.mark.parametrize("wrong", [{"keep": 1.5}, {"keep": -0.1}, {"for_days": 0.0}, {"after_days": -1.0}])
def test_an_impossible_plant_is_refused_in_words(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="allowed is"):
        Plant(**wrong)
