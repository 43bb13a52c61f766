"""11: two rankers share one list; the candidate wins 55 % of 1,000 sessions. One user with 500 clicks cannot swing it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detectors.evidence import Verdict
from monitor.alerting.alert import Kind
from tests.scenarios.world import START, Ended, configured, replayed, written

MODEL = """
model: feed
kind: recommender
predictions: { topic: slates, unit: user, items: { each: shown, id: id, team: ranker } }
outcomes: { click: { topic: clicks, match: { id: slate, item: post }, within: 10m } }
experiments: { dense: { kind: interleaving, control: [A], treatment: [B], of: click } }
"""
SESSIONS, BETWEEN_MS = 1_000, 20_000


def ended(folder: Path, winners: list[str], eager: int = 0) -> Ended:
    """A session a unit, whose winner gets a click or two; `eager` sessions more of one user, who always clicks B."""
    rng, slates, clicks = np.random.default_rng(11), [], []
    people = [(f"u{n}", winner, START + n * BETWEEN_MS) for n, winner in enumerate(winners)]
    people += [("eager", "B", START + n * BETWEEN_MS // 2 + 7) for n in range(eager)]
    for n, (user, winner, at) in enumerate(sorted(people, key=lambda p: p[2])):
        order = ["A", "B"] if rng.random() < 0.5 else ["B", "A"]
        shown = [{"id": f"{n}-{place}", "ranker": order[place % 2]} for place in range(6)]
        slates.append({"id": f"s{n}", "time": at, "user": user, "shown": shown})
        own = [item["id"] for item in shown if item["ranker"] == winner]
        clicks += [{"slate": f"s{n}", "post": post, "time": at + 9_000} for post in own[: int(rng.integers(1, 3))]]
    plan = configured(folder, MODEL)
    return replayed(
        plan, {"slates": [written(folder, "slates", slates)], "clicks": [written(folder, "clicks", clicks)]}
    )


def shuffled(wins: int, sessions: int) -> list[str]:
    winners = ["B"] * wins + ["A"] * (sessions - wins)
    return [winners[i] for i in np.random.default_rng(12).permutation(sessions)]


def test_the_preference_is_found_and_told_once(tmp_path: Path) -> None:
    found = ended(tmp_path, shuffled(550, SESSIONS))
    (alert,) = found.alerts("dense.preference")
    evidence = alert.first.evidence
    assert evidence.verdict is Verdict.TREATMENT
    assert evidence.interval is not None
    assert evidence.interval.low <= 0.05 <= evidence.interval.high
    told = found.message(alert, Kind.FIRING)
    assert "dense.preference: treatment is better" in told.title
    assert "confirm the winner in an A/B test" in told.text
    assert len(found.messages(alert)) == 1


def test_one_user_with_five_hundred_clicks_cannot_swing_it(tmp_path: Path) -> None:
    swung = ended(tmp_path, shuffled(500, SESSIONS), eager=500)
    assert swung.alerts("dense.preference") == []
    last = [f for f in swung.told.findings if f.watch == "dense.preference"][-1].evidence
    assert last.verdict is Verdict.HOLD
    assert last.n["units"] <= SESSIONS + 1
