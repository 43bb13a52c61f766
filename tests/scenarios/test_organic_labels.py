"""Clicks that people find by themselves: counted as labels that the model did not bring about, credited to nothing it showed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detectors.evidence import Standing
from monitor import app
from monitor.clock import ManualClock
from monitor.simulate.closed_loop import events
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.testing import Run
from monitor.web import overview
from tests.scenarios.world import Ended, configured, replayed

SHAPE = Shape(people=1_200, periods=5, slots=6, holdout=0.2, explored=0, organic=0.3)
"""Nothing is drawn at random, so the health of the next training set is told beside the loop."""
ORIGIN = ", origin: { field: source, organic: [search], unit: person }"
MODEL = """
model: feed
kind: recommender
window: 12h
retrained: daily
trained_on: 1d
predictions:
  topic: loop.slates
  id: slate
  unit: person
  items: { each: shown, explored: explored }
outcomes:
  click: { topic: loop.clicks, match: { id: slate, item: item }, within: 30mORIGIN }
cohorts: { field: arm, holdout: { share: 20% } }
metrics: { clicks: { of: click, as: engagement } }
"""


def model(*, mapped: bool = True) -> str:
    return MODEL.replace("ORIGIN", ORIGIN if mapped else "")


def world(folder: Path, mode: Mode, shape: Shape = SHAPE) -> dict[str, list[Path]]:
    events.write(folder, events.events(5, mode, shape))
    return {topic: [folder / f"{topic}.jsonl.gz"] for topic in (events.SLATES, events.CLICKS)}


def ended(folder: Path, mode: Mode, shape: Shape = SHAPE, *, mapped: bool = True) -> Ended:
    return replayed(configured(folder, model(mapped=mapped)), world(folder, mode, shape))


def health(ended: Ended) -> list[dict[str, Any]]:
    """What each day's training set was said to be."""
    said = [f.evidence for f in ended.told.findings if f.watch == "training_health"]
    return [e.detail for e in said if e.standing is Standing.OK]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("closed"), Mode.CLOSED)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The same events, with clicks that are waited for much longer."""
    folder = tmp_path_factory.mktemp("patient")
    plan = configured(folder, model().replace("within: 30m", "within: 12h"))
    return replayed(plan, world(folder, Mode.CLOSED))


def test_every_search_of_an_exposed_person_who_was_served_is_an_organic_label_however_long_clicks_are_waited_for(
    closed: Ended, patient: Ended
) -> None:
    stream = [e.value | {"topic": e.topic} for _, due in events.events(5, Mode.CLOSED, SHAPE) for e in due]
    slates = [e for e in stream if e["topic"] == events.SLATES]
    first: dict[str, int] = {}
    for e in slates:
        if e["arm"] == "exposed":
            first[e["person"]] = min(e["time"], first.get(e["person"], e["time"]))
    searched = [
        e
        for e in stream
        if e["topic"] == events.CLICKS
        and e["source"] == "search"
        and e["person"] in first
        and first[e["person"]] <= e["time"]
    ]
    for number in range(3):
        day = events.FIRST_DAY + number * events.DAY
        found = [e for e in searched if day <= e["time"] < day + events.DAY]
        counted = len(found), len({e["person"] for e in found})
        for each in (closed, patient):
            told = health(each)[number]
            assert (told["organic_labels"], told["organic_people"]) == counted
    told = health(closed)[2]
    served = {e["slate"] for e in slates if e["arm"] == "exposed" and day <= e["time"] < day + events.DAY}
    shown = {(e["slate"], e["item"]) for e in stream if e["topic"] == events.CLICKS and e.get("slate") in served}
    assert told["labels"] == len(shown), "no search is credited to what was shown"
    assert (told["trailing_periods"], told["all_labels"]) == (1, told["labels"] + told["organic_labels"])
    assert told["organic_people"] <= told["people"] <= len(first)
    assert closed.told.rejects == []


def test_the_organic_share_falls_and_the_message_says_who_brought_about_what_is_learned(closed: Ended) -> None:
    assert {told["exploration_share"] for told in health(closed)} == {0.0}
    share = [told["organic_share"] for told in health(closed)]
    assert share[-1] < share[2] < share[1]
    (alert,) = closed.alerts("training_health")
    text = "\n".join(n.text for n in closed.messages(alert))
    assert " labels the model itself caused " in text
    assert " are organic (" in text


def test_the_row_of_a_status_says_it_whether_an_alert_is_open_or_not(closed: Ended) -> None:
    for found in [f for f in closed.told.findings if f.watch == "training_health"][1:]:
        told = found.evidence.detail
        said = f"{told['organic_share']:.1%} are organic ({told['organic_people']:,} of {told['people']:,} people"
        assert said in overview.row("training_health", found, None).reason


def test_a_run_in_other_turns_that_forgets_everything_after_each_tells_the_same(closed: Ended, tmp_path: Path) -> None:
    plan, clock = configured(tmp_path, model()), ManualClock()
    source = app.file_source(world(tmp_path, Mode.CLOSED), plan)
    again = Run(plan, source, app.memory_store(clock), clock, turn_size=1_500, poll_size=700, restart=True)
    assert again.to_the_end().lines() == closed.told.lines()
    assert len(again.steps) > 3


def test_where_no_origin_is_mapped_or_nobody_searches_nothing_is_said_of_it_or_none(tmp_path: Path) -> None:
    shape = Shape(people=500, periods=2, holdout=0.2, explored=0)
    (plain,) = health(ended(tmp_path, Mode.CLOSED, shape, mapped=False))
    assert plain.keys().isdisjoint({"organic_share", "all_labels", "not_by_the_model"})
    (mapped,) = health(ended(tmp_path, Mode.CLOSED, shape))
    assert (mapped["organic_share"], mapped["labels_caused_by_the_model"]) == (0.0, 1.0)
    assert mapped["all_labels"] == mapped["labels"] == plain["labels"]
