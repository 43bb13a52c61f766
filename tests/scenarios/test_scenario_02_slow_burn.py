"""2: a feature's mean creeps by .02 standard deviations a day for forty days, through a daily and a weekly season."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from monitor.alerting.alert import Kind, Severity
from monitor.web.overview import State
from tests.scenarios.world import HOUR, START, Ended, configured, replayed, written

DAY = 24 * HOUR
MODEL = """
model: fraud
kind: classifier
window: 6h
predictions: { topic: decisions, id: txn, time: at, unit: card, features: [age] }
watch:
  features.age: false
  missing: false
  freshness.predictions: false
  age: { detector: { kind: numeric_shift, learn_days: 14 }, on: features.age, severity: warn }
"""
A_DAY = 1_200
CREEPS_FROM_DAY = 18
DAYS = CREEPS_FROM_DAY + 40


def decisions(a_day: float) -> Iterator[bytes]:
    rng = np.random.default_rng(2)
    at = START + np.arange(DAYS * A_DAY) * (DAY // A_DAY)
    day = (at - START) / DAY
    season = 0.6 * np.sin(2 * np.pi * day) + 0.5 * (np.floor(day) % 7 >= 5)  # the first day is a Monday
    age = rng.normal(season + a_day * np.maximum(day - CREEPS_FROM_DAY, 0.0), 1.0)
    for n, (when, value) in enumerate(zip(at.tolist(), age.tolist(), strict=True)):
        yield f'{{"txn":"t{n}","at":{when},"card":"c{n}","age":{value:.4f}}}'.encode()


def ended(folder: Path, a_day: float) -> Ended:
    return replayed(configured(folder, MODEL), {"decisions": [written(folder, "decisions", decisions(a_day))]})


def test_the_slow_watch_fires_and_says_slow(tmp_path: Path) -> None:
    told = ended(tmp_path, 0.02)
    (alert,) = told.alerts()
    assert (alert.watch, alert.severity) == ("age", Severity.WARN)
    days = (alert.opened_at - START) / DAY - CREEPS_FROM_DAY
    assert 5 < days < 25
    assert "It came slowly" in alert.first.evidence.reason
    assert "came slowly" in told.message(alert, Kind.FIRING).text
    assert told.status["age"].state is State.FIRING


def test_a_daily_and_a_weekly_season_alone_tell_nothing(tmp_path: Path) -> None:
    twin = ended(tmp_path, 0.0)
    assert (twin.alerts(), twin.told.outbox) == ([], [])
    assert twin.judged("age") > 150
    assert twin.status["age"].state is State.OK
