from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from monitor.settings import load, mappings
from monitor.simulate import open_bandit

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
ENVIRON = {
    "KAFKA_PASSWORD": "example-only",
    "DATABASE_URL": "sqlite:///example.db",
    "FEED_ONCALL_URL": "json://127.0.0.1",
    "FEED_DIGEST_URL": "json://127.0.0.1",
    "EXPERIMENTS_URL": "json://127.0.0.1",
}


@pytest.mark.parametrize(
    ("file", "models"),
    [
        ("loopwatch.yaml", ["feed-ranker"]),
        ("open-bandit.yaml", ["open-bandit"]),
        ("without-a-holdout.yaml", ["closed-loop"]),
    ],
)
def test_an_example_loads_without_a_fault(file: str, models: list[str]) -> None:
    got = load(EXAMPLES / file, ENVIRON)
    assert got.faults == []
    assert list(got.models) == models


def test_the_example_of_the_demo_maps_fields_that_its_events_have() -> None:
    stream = open_bandit.untouched()
    events = {
        "predictions": msgspec.json.decode(next(iter(open_bandit.predictions(stream)))),
        "click": msgspec.json.decode(next(iter(open_bandit.clicks(stream)))),
    }
    topics = {"predictions": open_bandit.PREDICTIONS, "click": open_bandit.CLICKS}
    for mapping in mappings(load(EXAMPLES / "open-bandit.yaml", {}).models["open-bandit"]):
        assert mapping.topic == topics[mapping.stream]
        paths = [mapping.time, mapping.unit, *(field.path for field in mapping.fields)]
        assert {key for path in paths for key in itertools.islice(path, 1)} <= set(events[mapping.stream])
