"""8: an A/B test with a planted drop of two points, and two arms that are alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from detectors.evidence import Standing
from monitor.alerting.alert import Kind, Phase, Severity
from monitor.web.overview import State
from tests.scenarios.world import MINUTE, START, Ended, configured, replayed, written

MODEL = """
model: feed
kind: recommender
predictions: { topic: slates, unit: user, variant: arm, item: shown }
outcomes:
  click: { topic: clicks, match: { id: slate }, within: 10m }
  save: { topic: saves, match: { id: slate }, within: 10m }
  share: { topic: shares, match: { id: slate }, within: 10m }
metrics: { clicks: { of: click }, saves: { of: save }, shares: { of: share } }
experiments: { bolder: { kind: ab, control: [a], treatment: [b], at_most: 3h } }
"""
UNITS, BETWEEN_MS = 12_000, 800
CHANCES = {"clicks": 0.14, "saves": 0.1, "shares": 0.1}


def world(treated: Mapping[str, float], *, off_plan: float = 0.0) -> Iterator[tuple[str, dict[str, object]]]:
    """Every unit comes one to four times within minutes; only the first list counts, and outcomes follow the unit's level."""
    rng = np.random.default_rng(8)
    for user in range(UNITS):
        arm = "b" if rng.random() < 0.5 + off_plan else "a"
        chance = treated if arm == "b" else CHANCES
        for visit in range(int(rng.integers(1, 5))):
            at = START + user * BETWEEN_MS + visit * 3 * MINUTE
            slate = f"{user}-{visit}"
            yield (
                "slates",
                {"id": slate, "time": at, "user": f"u{user}", "arm": arm, "shown": f"i{int(rng.integers(500))}"},
            )
            for metric, p in chance.items():
                if rng.random() < p:
                    yield metric, {"slate": slate, "time": at + 30_000}


def ended(folder: Path, treated: Mapping[str, float], *, off_plan: float = 0.0) -> Ended:
    events: dict[str, list[dict[str, object]]] = {"slates": [], "clicks": [], "saves": [], "shares": []}
    for topic, event in world(treated, off_plan=off_plan):
        events[topic].append(event)
    for lines in events.values():
        lines.sort(key=lambda e: int(str(e["time"])))
    return replayed(configured(folder, MODEL), {t: [written(folder, t, lines)] for t, lines in events.items()})


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("dropped"), {**CHANCES, "clicks": 0.12 - 0.005, "saves": 0.14})


def test_the_drop_is_found_with_its_sign_and_an_interval_that_is_valid_at_every_look(dropped: Ended) -> None:
    (alert,) = dropped.alerts("bolder.clicks")
    evidence = alert.first.evidence
    assert (alert.severity, evidence.verdict) == (Severity.WARN, "control is better")
    assert evidence.interval is not None
    assert evidence.effect is not None
    assert evidence.interval.high < 0
    assert evidence.interval.low <= -0.025 <= evidence.interval.high
    assert evidence.n["treatment"] + evidence.n["control"] <= UNITS  # each person once, however often they came


def test_the_message_says_who_is_better_by_how_much_and_who_was_counted(dropped: Ended) -> None:
    (alert,) = dropped.alerts("bolder.clicks")
    told = dropped.message(alert, Kind.FIRING)
    assert "bolder.clicks: control is better" in told.title
    assert "treatment against control" in told.text
    assert "at most 2.5 % chance" in told.text
    assert "95" in told.text or "97.5" in told.text


def test_metrics_that_decide_together_are_told_once(dropped: Ended) -> None:
    alerts = dropped.alerts("bolder.saves", "bolder.shares")
    (first,) = [a for a in alerts if "decide together" in a.first.evidence.reason]
    assert first.watch == "bolder.saves"
    assert first.first.evidence.verdict == "treatment is better"
    assert "bolder.shares" not in first.first.evidence.reason
    assert first.phase is Phase.RESOLVED  # told once: nothing is left open


def test_two_arms_alike_end_inconclusive_with_what_is_excluded_and_nobody_is_woken(tmp_path: Path) -> None:
    twin = ended(tmp_path, CHANCES)
    assert [a.first.evidence.verdict for a in twin.alerts("bolder.clicks")] in ([], ["inconclusive"])
    assert not [a for a in twin.alerts() if a.first.evidence.verdict.endswith("is better")]
    assert not [n for n in twin.told.outbox if n.severity is not Severity.WARN]
    assert twin.status["bolder.split"].state is State.OK
    assert twin.judged("bolder.split") > 20


def test_arms_off_their_plan_blind_the_experiment(tmp_path: Path) -> None:
    broken = ended(tmp_path, {**CHANCES, "clicks": 0.06}, off_plan=0.08)
    assert broken.alerts("bolder.split")
    last = [f for f in broken.told.findings if f.watch == "bolder.clicks"][-1]
    assert last.evidence.standing is Standing.BLIND
    assert "control is 4" in last.evidence.reason
