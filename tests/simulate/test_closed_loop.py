"""The closed loop narrows as published, only its causes make it narrow, and its harm is where the truth says."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.cli import cli
from monitor.simulate.closed_loop.events import CLICKS, DAY, FIRST_DAY, RETURNS, SLATES, Event, Truth, events, write
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.simulate.closed_loop.world import Period, periods, request

SHAPE = Shape(people=2_000, periods=5, event_at=3)


@cache
def world(mode: Mode, seed: int = 1) -> tuple[Period, ...]:
    return tuple(periods(seed, mode, SHAPE))


@cache
def told(mode: Mode, seed: int = 1) -> tuple[list[Truth], list[Event]]:
    got = list(events(seed, mode, SHAPE))
    return [truth for truth, _ in got], [event for _, due in got for event in due]


def effective(period: Period) -> float:
    """Effective items of the policy's places, as a share of the catalogue."""
    shown = np.bincount(period.items[period.by_model][:, :9].ravel(), minlength=SHAPE.items)
    total = shown.sum()
    return float(total * (total - 1) / (shown * (shown - 1)).sum()) / SHAPE.items


def test_a_closed_loop_narrows_within_four_periods_and_one_trained_on_exploration_does_not() -> None:
    closed = [effective(p) for p in world(Mode.CLOSED)]
    explored = [effective(p) for p in world(Mode.EXPLORATION_ONLY)]
    frozen = [effective(p) for p in world(Mode.FROZEN)]
    assert closed[0] == explored[0] == frozen[0]
    assert closed[3] < 0.5 * closed[0]
    assert min(explored) > 0.7 * explored[0]
    assert min(frozen) > 0.8 * frozen[0]


def test_clicks_of_the_exposed_rise_while_the_loop_closes() -> None:
    first, last = world(Mode.CLOSED)[0], world(Mode.CLOSED)[-1]
    assert last.clicked[last.by_model].mean() > 1.2 * first.clicked[first.by_model].mean()
    assert last.clicked[last.held_out].mean() < 1.2 * first.clicked[first.held_out].mean()


def test_the_harm_begins_in_its_period_and_only_there() -> None:
    truths, _ = told(Mode.CLOSED_PLANTED_HARM)
    gap = [t.return_exposed - t.return_holdout for t in truths]
    assert min(gap[:2]) > 0
    assert max(gap[2:]) < -0.03


def test_an_external_drift_moves_both_cohorts() -> None:
    before, after = world(Mode.FROZEN_EXTERNAL_DRIFT)[1], world(Mode.FROZEN_EXTERNAL_DRIFT)[3]
    assert after.clicked[after.by_model].mean() < 0.8 * before.clicked[before.by_model].mean()
    assert after.clicked[~after.by_model].mean() < 0.8 * before.clicked[~before.by_model].mean()


def test_a_broken_assignment_holds_out_fewer_crosses_people_and_leaks() -> None:
    periods = world(Mode.BROKEN_ASSIGNMENT)
    held_out = np.mean([p.held_out.mean() for p in periods])
    assert 0.04 < held_out < 0.08
    assert any((p.held_out & p.by_model).any() for p in periods)
    arms: dict[int, set[bool]] = {}
    for p in periods:
        for person, arm in zip(p.person.tolist(), p.held_out.tolist(), strict=True):
            arms.setdefault(person, set()).add(arm)
    assert any(len(seen) == 2 for seen in arms.values())


def test_a_new_version_comes_when_it_should() -> None:
    assert [p.version for p in world(Mode.VERSION_CHANGE)] == ["ranker-1"] * 2 + ["ranker-2"] * 3


@pytest.mark.parametrize("mode", list(Mode))
def test_a_world_is_its_seed(mode: Mode) -> None:
    again = next(periods(1, mode, SHAPE))
    assert np.array_equal(again.items, world(mode)[0].items)
    other = next(periods(2, mode, SHAPE))
    assert other.items.shape != again.items.shape or not np.array_equal(other.items, again.items)


def test_the_tilt_lifts_one_of_a_pair_and_only_on_tilted_requests() -> None:
    lifted = plain = 0.0
    for period in world(Mode.FROZEN)[1:]:
        shown = period.items[:, :9]
        for tilted in (True, False):
            rows = period.by_model & (period.tilted == tilted)
            up, down = (period.pair[shown[rows]] > 0).mean(), (period.pair[shown[rows]] < 0).mean()
            if tilted:
                lifted += float(up - down)
            else:
                plain += float(up - down)
    assert lifted - plain > 0.1


def test_events_of_a_topic_are_in_order_and_a_return_follows_its_slate_within_a_day() -> None:
    _, stream = told(Mode.CLOSED)
    assert [e.time for e in stream] == sorted(e.time for e in stream)
    slates = {(e.value["person"], e.time // DAY): e.time for e in stream if e.topic == SLATES}
    for event in stream:
        if event.topic == RETURNS:
            person = event.value["person"]
            assert any(0 <= event.time - slates.get((person, event.time // DAY - back), 0) <= DAY for back in (0, 1))
    first = next(e for e in stream if e.topic == SLATES)
    assert FIRST_DAY <= first.time < FIRST_DAY + DAY
    assert first.value["slate"] == request(1, int(first.value["person"][1:]))


def test_while_the_loop_closes_organic_clicks_become_a_smaller_share_and_nobody_who_searches_changes_what_is_drawn() -> (
    None
):
    shape = Shape(people=2_000, periods=5, organic=0.3)

    def shares(mode: Mode) -> list[float]:
        found = [(p.by_model[p.seeker].sum(), p.clicked[p.by_model].sum()) for p in periods(1, mode, shape)]
        return [float(own / (own + shown)) for own, shown in found]

    closed, frozen = shares(Mode.CLOSED), shares(Mode.FROZEN)
    assert closed[-1] < 0.8 * closed[0]
    assert frozen[-1] > 0.9 * frozen[0]
    assert np.array_equal(next(periods(1, Mode.FROZEN, shape)).person, world(Mode.FROZEN)[0].person)
    stream = [e for _, due in events(1, Mode.CLOSED, Shape(people=300, periods=1, organic=0.3)) for e in due]
    clicks = [e.value for e in stream if e.topic == CLICKS]
    assert {(c["source"], "slate" in c) for c in clicks} == {("recommended", True), ("search", False)}
    assert all("source" not in e.value for e in told(Mode.CLOSED)[1])


def test_files_are_the_same_bytes_for_the_same_seed(tmp_path: Path) -> None:
    shape = Shape(people=200, periods=2)
    for name in ("a", "b"):
        write(tmp_path / name, events(3, Mode.CLOSED, shape))
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_the_command_writes_what_the_shipped_config_reads(tmp_path: Path) -> None:
    config = Path(__file__).parents[2] / "deploy" / "examples" / "closed-loop.yaml"
    arguments = ["simulate", "--mode", "closed", "--people", "300", "--periods", "3", "--out", str(tmp_path)]
    made = CliRunner().invoke(cli, arguments)
    assert made.exit_code == 0, made.output
    assert len(json.loads((tmp_path / "truth.json").read_text())) == 3
    topics = [f"{t}={tmp_path / t}.jsonl.gz" for t in ("loop.slates", "loop.clicks", "loop.reads", "loop.returns")]
    read = CliRunner().invoke(cli, ["replay", "-c", str(config), "-o", str(tmp_path / "found"), *topics])
    assert read.exit_code == 0, read.output
    assert not re.search(r"[\d,]+ rejected", read.output)


def test_a_world_that_cannot_be_is_refused_in_words() -> None:
    refused = CliRunner().invoke(cli, ["simulate", "--people", "3"])
    assert refused.exit_code == 2
    assert "greater than or equal to 100" in " ".join(refused.output.split())
