"""The law `load() equals the replay of the committed steps`, on random sequences of steps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.alerting.alert import Alert, Phase
from monitor.clock import ManualClock
from monitor.events import TopicPartition
from monitor.store.protocols import Chunk, Image, OutOfStep, Page, Step, Store, StoreRefused
from monitor.store.via_memory import MemoryStore
from monitor.store.via_sql import SqlStore
from tests.store.places import NOW, TTL, alert, finding, notification

EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.sampled_from(["units", "items", "Items", "join", "été"])
SLOTS = st.sampled_from([-60_000, 0, 60_000])
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
fresh = count()


@pytest.fixture(scope="module", params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples: each uses a model of its own."""
    if request.param == "memory":
        yield MemoryStore(ManualClock(NOW))
        return
    file: Path = tmp_path_factory.mktemp("replay") / "loopwatch.db"
    url = f"sqlite:///{file}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    SqlStore.upgrade(url)
    opened = SqlStore(url, ManualClock(NOW))
    yield opened
    opened.close()


@st.composite
def sequences(draw: st.DrawFn) -> list[Step]:
    """Steps 1, 2, 3 … of a model without a name yet; chunk sequences never repeat."""
    sequence = count(1)
    steps = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        appended = draw(st.lists(st.tuples(NAMES, SLOTS, st.binary(max_size=8)), max_size=4))
        phases = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(Phase), st.integers(0, 3))
        steps.append(
            Step(
                model="",
                number=number,
                offsets=draw(
                    st.dictionaries(
                        st.builds(TopicPartition, NAMES, st.integers(0, 3)), st.integers(0, 2**62), max_size=3
                    )
                ),
                chunks=[Chunk(stream, slot, next(sequence), data) for stream, slot, data in appended],
                rewritten=draw(st.lists(st.tuples(NAMES, SLOTS), max_size=1)),
                dropped=draw(st.lists(st.tuples(NAMES, SLOTS), max_size=2)),
                pages=draw(st.lists(st.builds(Page, NAMES, NAMES, st.none() | st.binary(max_size=8)), max_size=5)),
                alerts=[
                    alert(name, phase=phase, opened_at=opened)
                    for name, phase, opened in draw(st.lists(phases, max_size=3))
                ],
                observed=draw(st.dictionaries(WORDS, st.floats(allow_nan=False) | WORDS, max_size=3)),
            )
        )
    return steps


def of_model(steps: list[Step], model: str) -> list[Step]:
    """The steps for `model`; alert ids are unique over all models."""
    return [
        replace(
            step,
            model=model,
            alerts=[replace(each, id=f"{model}/{each.id}", model=model) for each in step.alerts],
        )
        for step in steps
    ]


def replay(steps: list[Step]) -> Image:
    """What steps add up to, written as plainly as can be."""
    offsets: dict[TopicPartition, int] = {}
    chunks: list[Chunk] = []
    pages: dict[tuple[str, str], bytes] = {}
    alerts: dict[str, Alert] = {}
    for step in steps:
        offsets.update(step.offsets)
        chunks = [each for each in chunks if (each.stream, each.slot) not in step.rewritten]
        chunks = [each for each in [*chunks, *step.chunks] if (each.stream, each.slot) not in step.dropped]
        for page in step.pages:
            if page.data is None:
                pages.pop((page.room, page.key), None)
            else:
                pages[page.room, page.key] = page.data
        for each in step.alerts:
            alerts[each.id] = each
    standing = [each for each in alerts.values() if each.phase is not Phase.RESOLVED]
    return Image(
        number=len(steps),
        offsets=offsets,
        chunks=chunks,
        pages=[Page(room, key, data) for (room, key), data in sorted(pages.items())],
        alerts=sorted(standing, key=lambda each: (each.opened_at, each.id)),
    )


@EXAMPLES
@given(drawn=sequences())
def test_an_image_is_the_replay_of_the_committed_steps(store: Store, drawn: list[Step]) -> None:
    model = f"replayed-{next(fresh)}"
    steps = of_model(drawn, model)
    lease = store.acquire("daemon", TTL)
    assert lease is not None
    for step in steps:
        store.commit(step, lease)
    assert store.load(model) == replay(steps)
    assert store.status(model)["observed"] == steps[-1].observed


@EXAMPLES
@given(drawn=sequences(), failures=st.lists(st.sampled_from(["again", "skipped", "chunk"]), min_size=6, max_size=6))
def test_refused_commits_in_between_leave_no_trace(store: Store, drawn: list[Step], failures: list[str]) -> None:
    model = f"refused-{next(fresh)}"
    steps = of_model(drawn, model)
    lease = store.acquire("daemon", TTL)
    assert lease is not None
    twice = [Chunk("twice", 0, 1, b""), Chunk("twice", 0, 1, b"")]
    for step, failure in zip(steps, failures, strict=False):
        more = replace(
            step,
            pages=[Page("never", "seen", b"")],
            findings=[finding(model=model)],
            outbox=[notification(f"{model}/never", model=model)],
        )
        if failure == "chunk":
            with pytest.raises(StoreRefused):
                store.commit(replace(more, chunks=twice, dropped=[]), lease)
        else:
            with pytest.raises(OutOfStep):
                store.commit(replace(more, number=step.number + (1 if failure == "skipped" else -1)), lease)
        store.commit(step, lease)
    assert store.load(model) == replay(steps)
    assert store.findings(model) == []
    assert not any(row.notification.model == model for row, _state in store.notifications(limit=100_000))
