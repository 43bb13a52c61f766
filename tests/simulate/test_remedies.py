"""Remedies in a simulated world: what stops the loop stops it there, and what is quoted says what was fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monitor import app
from monitor.clock import ManualClock
from monitor.engine import Engine, Observed
from monitor.memory import load
from monitor.simulate.closed_loop.remedies import SLOTS, Seen, Tried, remedies, run, sentences, shape_of
from monitor.simulate.closed_loop.shape import Mode
from monitor.store.chain import REMEDIES
from monitor.store.protocols import Command
from tests.watch.configs import plan

SEEN = Seen(items=200, people=1_000, periods=3, items_left=0.6, explored=0.04, holdout=0.1, gain=(0.5, 0.2, 0.8))


def test_a_closed_world_feeds_on_itself_and_a_frozen_one_does_not() -> None:
    shape = shape_of(SEEN, 0.5)
    closed, frozen = ([run(seed, mode, shape, 3) for seed in range(4)] for mode in (Mode.CLOSED, Mode.FROZEN))
    gains = [np.array([gain for gain, _ in ran if gain is not None]) for ran in (closed, frozen)]
    assert [len(g) for g in gains] == [4, 4]
    error = [g.std(ddof=1) / 2 for g in gains]
    assert gains[0].mean() - 3 * error[0] > 0.1
    assert abs(gains[1].mean()) < 3 * error[1] + 0.05
    assert max(left for _, left in closed) < 0.9 < min(left for _, left in frozen)


def test_the_same_seed_gives_the_same_world() -> None:
    shape = shape_of(SEEN, 0.5)
    assert run(3, Mode.CLOSED, shape, 3) == run(3, Mode.CLOSED, shape, 3)


def test_a_world_is_scaled_down_and_explores_as_much_as_the_model() -> None:
    large = shape_of(Seen(10**6, 10**6, 3, 0.4, 0.08, 0.02, memory=7), 0.5)
    assert (large.items, large.people, large.explored, large.memory) == (400, 1_000, 2, 7)
    assert large.explored / large.slots == 0.08
    names = [r.name for r in remedies(SEEN)]
    assert names[0] == "as it is"
    assert "4% exploration" not in names
    assert {"8% exploration", "propensity weights", "no more retraining", "30% held out"} <= set(names)
    assert shape_of(SEEN, 0.5).slots == SLOTS


def tried(name: str, gain: tuple[float, float, float] | None, explored: float | None = None) -> Tried:
    return Tried(remedy=name, explored=explored, gain=gain, items_left=(0.5, 0.45, 0.55))


def test_what_is_quoted_says_what_was_fitted_and_which_share_is_enough() -> None:
    results = [
        tried("as it is", (0.8, 0.7, 0.9)),
        tried("8% exploration", (0.35, 0.25, 0.45), 0.08),
        tried("16% exploration", (0.22, 0.16, 0.28), 0.16),
        tried("no more retraining", None),
    ]
    fitted, now, enough, frozen = sentences(SEEN, results, 8)
    assert fitted.startswith("Not a forecast: a simulated world fitted to what was seen here (200 items, 1,000 people")
    assert "loop gain 0.50" in fitted
    assert now == "As it is: gain 0.80 [0.70 to 0.90], different items at 50 % of the first [45 to 55]."
    assert enough.startswith("At 16 % exploration the gain falls below 0.3: gain 0.22 [0.16 to 0.28]")
    assert frozen.startswith("No more retraining: no gain to be measured")
    poorly = Seen(items=200, people=1_000, periods=3, items_left=0.3, explored=0.04, holdout=0.1)
    assert "narrows less than was seen" in sentences(poorly, results, 8)[1]
    assert sentences(SEEN, results[:2], 8)[2].startswith(
        "No share up to 8 % exploration surely brings the gain below 0.3"
    )


def test_a_model_takes_what_was_said_and_keeps_it_over_a_restart(tmp_path: Path) -> None:
    feed, clock = plan(tmp_path, metrics={"clicks": {"of": "click", "as": "engagement"}}), ManualClock()
    store = app.memory_store(clock)
    lease = store.acquire("test", 1_000)
    assert lease is not None
    store.submit(Command(number=0, model="feed", verb=REMEDIES, arguments={"sentences": ["As it is: gain 0.80."]}))
    engine, memory = Engine(feed), load(feed, store.load("feed"))
    store.commit(
        engine.close(memory, store.commands("feed"), Observed(0, frozenset(), frozenset(), finished=False)), lease
    )
    assert load(feed, store.load("feed")).remedies == ("As it is: gain 0.80.",)
