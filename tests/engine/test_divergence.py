"""A loop whose harm is planted, from files through the whole engine: told as harm, and not before there is any."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.simulate.closed_loop.events import DAY, FIRST_DAY, TOPICS, events, write
from monitor.simulate.closed_loop.shape import Mode, Shape
from monitor.watch.finding import Origin
from tests.scenarios.world import Ended, configured, replayed

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "closed-loop.yaml"
HARM = 9
SHAPE = Shape(people=1_800, periods=13, holdout=0.3, event_at=HARM)


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("harmed")
    write(folder / "events", events(3, Mode.CLOSED_PLANTED_HARM, SHAPE))
    text = EXAMPLE.read_text(encoding="utf-8").replace("share: 10%", "share: 30%")
    text = text.replace(
        "of: return, as: quality, page_if_worse_by: 10%", "of: return, as: quality, page_if_worse_by: 2%"
    )
    files = {topic: [folder / "events" / f"{topic}.jsonl.gz"] for topic in TOPICS}
    return replayed(configured(folder, text[text.index("model: ") :]), files)


def test_harm_is_told_once_there_is_some_and_as_the_models(harmed: Ended) -> None:
    (alert,) = harmed.alerts("divergence.returns")
    evidence = alert.finding.evidence
    assert (alert.since or 0) >= FIRST_DAY + (HARM - 2) * DAY
    assert alert.opened_at > FIRST_DAY + (HARM - 1) * DAY
    assert evidence.change_at is not None
    assert abs(evidence.change_at - (FIRST_DAY + (HARM - 1) * DAY)) <= 2 * DAY
    assert evidence.effect is not None
    assert evidence.effect < 0 < evidence.detail["engagement_lift_low"]
    assert alert.finding.origin is Origin.MODEL_INDUCED
    assert not harmed.alerts("divergence.reads")
