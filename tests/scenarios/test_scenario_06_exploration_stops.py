"""6: a recommender stops showing items drawn at random; and one that never says what was drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from detectors.evidence import Standing
from monitor.alerting.alert import Kind, Severity
from monitor.web.overview import State
from tests.scenarios.world import HOUR, START, Ended, configured, replayed, written

DAY = 24 * HOUR
MODEL = """
model: feed
kind: recommender
window: 6h
predictions:
  topic: slates
  id: slate
  time: at
  unit: who
  items: { each: shown, propensity: p, explored: random }
outcomes: { click: { topic: clicks, time: at, match: { id: slate, item: item }, within: 30m } }
"""
COHORTS = "cohorts: { field: arm, holdout: { share: 20% } }\n"
METRICS = "metrics: { clicks: { of: click, as: engagement } }\n"
DAYS, PEOPLE, SLOTS, ITEMS = 7, 260, 20, 100
STOPS_ON_DAY = 3
CHANCE = 0.4 + np.arange(ITEMS) / ITEMS
CHANCE /= CHANCE.sum()
"""Of each item to be chosen by the policy: uneven, and the same on every day."""


def ended(folder: Path, *, stops: bool, marked: bool = True, cohorts: bool = True) -> Ended:
    rng = np.random.default_rng(6)
    clicks: list[dict[str, object]] = []

    def slates() -> Iterator[dict[str, object]]:
        for day in range(DAYS):
            explored = 0 if stops and day >= STOPS_ON_DAY else 1  # of twenty places
            for n in range(PEOPLE):
                at, slate, held_out = START + day * DAY + n * (DAY // PEOPLE), f"{day}.{n}", cohorts and n % 5 == 0
                random = SLOTS if held_out else explored
                items = [*rng.choice(ITEMS, SLOTS - random, p=CHANCE), *rng.integers(0, ITEMS, random)]
                shown = [
                    {"id": f"i{item}"}
                    | (
                        {"random": place >= SLOTS - random, "p": 1 / ITEMS if place >= SLOTS - random else CHANCE[item]}
                        if marked
                        else {}
                    )
                    for place, item in enumerate(items)
                ]
                clicked = np.flatnonzero(rng.random(SLOTS) < 0.1).tolist()
                clicks.extend({"at": at + 60_000, "slate": slate, "item": f"i{items[place]}"} for place in clicked)
                yield {
                    "slate": slate,
                    "at": at,
                    "who": f"u{n}",
                    "arm": "holdout" if held_out else "exposed",
                    "shown": shown,
                }

    files = {"slates": [written(folder, "slates", slates())], "clicks": [written(folder, "clicks", clicks)]}
    config = MODEL + (COHORTS + METRICS if cohorts else "")
    return replayed(configured(folder, config), files)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("stopped"), stops=True)


def test_the_second_day_without_random_items_is_told_as_starvation(stopped: Ended) -> None:
    (alert,) = stopped.alerts()
    assert (alert.watch, alert.severity) == ("training_health", Severity.WARN)
    assert alert.since == START + STOPS_ON_DAY * DAY
    assert alert.opened_at == START + (STOPS_ON_DAY + 2) * DAY
    said = alert.first.evidence
    assert said.effect == 0.0
    assert said.interval is not None
    assert said.interval.high < 0.02
    assert said.n == {"exposed": 208}
    message = stopped.message(alert, Kind.FIRING)
    assert "0.00% of what exposed people are shown" in message.text
    assert "were shown at random fewer than 30 times" in message.text
    assert stopped.status["training_health"].state is State.FIRING


def test_what_the_labels_owe_to_the_model_grows_as_exploration_stops(stopped: Ended) -> None:
    caused = [
        f.evidence.detail["labels_caused_by_the_model"]
        for f in stopped.told.findings
        if f.watch == "training_health" and f.evidence.standing is Standing.OK
    ]
    assert len(caused) == DAYS - 1  # the last day's clicks are still awaited
    assert caused[STOPS_ON_DAY - 1] == pytest.approx(0.95, abs=0.02)
    assert caused[-1] > caused[STOPS_ON_DAY - 1]


def test_random_items_that_keep_coming_tell_nothing(tmp_path: Path) -> None:
    twin = ended(tmp_path, stops=False)
    assert (twin.alerts(), twin.told.outbox) == ([], [])
    assert twin.judged("training_health") == DAYS - 1
    assert twin.judged("effective_sample") == DAYS - 2  # it learns for a day
    assert twin.status["training_health"].state is State.OK


def test_without_a_holdout_starvation_is_told_all_the_same(tmp_path: Path) -> None:
    alone = ended(tmp_path, stops=True, cohorts=False)
    (alert,) = alone.alerts()
    assert alert.watch == "training_health"
    assert alert.first.evidence.n == {"exposed": PEOPLE}
    assert alert.since == START + STOPS_ON_DAY * DAY


def test_without_propensities_it_is_not_computable_and_that_is_no_ok(tmp_path: Path) -> None:
    blank = ended(tmp_path, stops=True, marked=False)
    assert blank.alerts() == []
    for watch, field in (("training_health", "items.explored"), ("effective_sample", "items.propensity")):
        assert blank.status[watch].state is State.NOT_COMPUTABLE
        said = {f.evidence.reason for f in blank.told.findings if f.watch == watch}
        assert all(f"{field} is absent from every event" in reason for reason in said)
        assert said
