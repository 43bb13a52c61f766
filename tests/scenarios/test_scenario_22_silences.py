"""22: predictions stop; interactions stop; only the holdout stops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.alerting.alert import Alert, Kind, Phase, Severity
from tests.scenarios.world import HOUR, MINUTE, START, Ended, configured, replayed, written

MODEL = """
model: feed
kind: recommender
predictions: { topic: slates, id: slate, time: at, unit: who, item: item }
outcomes: { click: { topic: clicks, time: at, match: { id: slate }, within: 10m } }
cohorts: { field: arm, holdout: { share: 30% } }
metrics: { clicks: { of: click } }
"""
HOURS = 68
SILENCES = {"predictions": (58 * 60, 59 * 60), "click": (61 * 60, 62 * 60), "holdout": (64 * 60, 66 * 60)}
"""Minutes in which nothing comes, in daytime of the third day."""


def ended(folder: Path, silences: dict[str, tuple[int, int]]) -> Ended:
    rng = np.random.default_rng(22)
    predictions: list[dict[str, object]] = []
    clicks: list[dict[str, object]] = []
    never = (0, 0)
    for minute in range(HOURS * 60):
        silent = {name for name in SILENCES if silences.get(name, never)[0] <= minute < silences.get(name, never)[1]}
        night = minute // 60 % 24 < 6
        for n in range(rng.poisson(0.8 if night else 6)):
            at, arm, name = START + minute * MINUTE + n, "holdout" if rng.random() < 0.3 else "exposed", f"{minute}.{n}"
            if "predictions" not in silent and not ("holdout" in silent and arm == "holdout"):
                predictions.append({"slate": name, "at": at, "who": f"u{name}", "item": f"i{n}", "arm": arm})
            if rng.random() < 0.6 and "click" not in silent:
                clicks.append({"slate": name, "at": at + 5_000})
    files = {
        "slates": [written(folder, "slates", predictions)],
        "clicks": [written(folder, "clicks", sorted(clicks, key=lambda c: int(str(c["at"]))))],
    }
    return replayed(configured(folder, MODEL), files)


@pytest.fixture(scope="module")
def silenced(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("silenced"), SILENCES)


def in_silence(ended: Ended, name: str) -> list[Alert]:
    """Alerts on arrivals that opened in a silence."""
    start, end = (START + minute * MINUTE for minute in SILENCES[name])
    return [a for a in ended.alerts() if a.watch.startswith("freshness.") and start <= a.opened_at <= end]


def test_each_silence_is_told_as_what_it_is(silenced: Ended) -> None:
    assert [a.watch for a in in_silence(silenced, "click")] == ["freshness.click"]
    assert [a.watch for a in in_silence(silenced, "holdout")] == ["freshness.holdout"]
    assert {a.watch for a in in_silence(silenced, "predictions")} == {"freshness.predictions", "freshness.holdout"}
    of_predictions = [a for a in in_silence(silenced, "predictions") if a.watch == "freshness.predictions"]
    alerts = [*of_predictions, *in_silence(silenced, "click"), *in_silence(silenced, "holdout")]
    titles = {silenced.message(a, Kind.FIRING).title for a in alerts}
    assert len(titles) == 3
    for alert, (name, (start, _)) in zip(alerts, SILENCES.items(), strict=True):
        assert alert.severity is Severity.PAGE
        assert alert.since is not None
        assert abs(alert.since - (START + start * MINUTE)) <= 3 * MINUTE
        assert name in silenced.message(alert, Kind.FIRING).title


def test_each_ends_within_minutes_after_events_come_again(silenced: Ended) -> None:
    for name, (_, end) in SILENCES.items():
        for alert in in_silence(silenced, name):
            assert alert.phase is Phase.RESOLVED
            assert alert.resolved_at is not None
            assert 0 <= alert.resolved_at - (START + end * MINUTE) <= HOUR // 4
            assert "coming again" in silenced.message(alert, Kind.RESOLVED).title


def test_nothing_is_told_of_a_quiet_night_within_the_season(tmp_path: Path) -> None:
    twin = ended(tmp_path, {})
    assert (twin.alerts(), twin.told.outbox) == ([], [])
    assert {row.state for watch, row in twin.status.items() if watch.startswith("freshness.")} == {"ok"}
