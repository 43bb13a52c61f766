"""19: one group of 5 % loses 15 points while the whole gains 1; a group of twenty people is too small to judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.alerting.alert import Kind, Severity
from tests.scenarios.world import HOUR, START, Ended, configured, replayed, written

MODEL = """
model: feed
kind: recommender
window: 1h
predictions: { topic: slates, id: slate, time: at, unit: who, segments: [country] }
outcomes: { click: { topic: clicks, time: at, match: { id: slate }, within: 30m } }
cohorts: { field: arm, holdout: { share: 30% } }
metrics: { clicks: { of: click, page_if_worse_by: 10% } }
"""
HOURS, PEOPLE, FROM = 60, 1_500, 30
SHARES = {"de": 0.45, "fr": 0.5, "is": 0.05}


def ended(folder: Path, *, hurt: bool) -> Ended:
    """From hour 30 on, the exposed of one group in twenty click 15 points less, and everybody else 2 points more."""
    rng = np.random.default_rng(19)
    slates: list[dict[str, object]] = []
    clicks: list[dict[str, object]] = []
    names = list(SHARES)
    for hour in range(HOURS):
        country = rng.choice(3, PEOPLE, p=list(SHARES.values()))
        held_out, luck = rng.random(PEOPLE) < 0.3, rng.random(PEOPLE)
        lost = (country == 2) & hurt & (hour >= FROM)
        chance = np.where(held_out | (hour < FROM), 0.30, np.where(lost, 0.15, 0.32))
        for n in range(PEOPLE):
            name, at = f"{hour}.{n}", START + hour * HOUR + n * (HOUR // PEOPLE)
            tiny = n < 1 and hour < 20
            slates.append({
                "slate": name, "at": at, "who": f"u{name}", "arm": "holdout" if held_out[n] else "exposed",
                "country": "tv" if tiny else names[country[n]],
            })  # fmt: skip
            if luck[n] < chance[n]:
                clicks.append({"slate": name, "at": at + 60_000})
    files = {"slates": [written(folder, "slates", slates)], "clicks": [written(folder, "clicks", clicks)]}
    return replayed(configured(folder, MODEL), files)


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("hurt"), hurt=True)


def test_the_alert_names_the_group_while_the_whole_is_fine(hurt: Ended) -> None:
    assert not hurt.alerts("clicks")
    (alert,) = hurt.alerts("clicks.by.country")
    assert alert.severity in (Severity.PAGE, Severity.CRITICAL)
    text = hurt.message(alert, Kind.FIRING).text
    assert "The group is is." in text
    assert alert.finding.evidence.relative is not None
    assert alert.finding.evidence.relative < -0.2


def test_nobody_is_told_of_groups_that_fare_alike_and_twenty_people_are_no_group(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    fine = ended(tmp_path_factory.mktemp("fine"), hurt=False)
    assert not fine.alerts("clicks.by.country", "clicks")
    last = [f for f in fine.told.findings if f.watch == "clicks.by.country"][-1]
    assert last.evidence.detail["too_small"] == ["tv"]
    assert set(last.evidence.detail["groups"]) <= {"de", "fr", "is", "other groups"}
