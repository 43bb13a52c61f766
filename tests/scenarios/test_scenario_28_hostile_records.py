"""28: malformed, truncated, huge and hostile records mixed in at 1 %."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.shop import ARRIVALS, shop_events, shop_plan
from tests.scenarios.world import Ended, replayed, written

EVERY = 100
HOSTILE = (
    b"{",
    b'{"slate": "s1", "at": 17000',
    b"\x00\x00\x00\x00\x07avro",
    b"\xff\xfe\x00not text",
    b'{"slate": "' + b"x" * 1_100_000 + b'"}',
    b'{"slate":' + b"[" * 50_000,
    b'{"slate": "a", "who": "b", "at": "9999-12-31T23:59:59Z"}',
    b'{"slate": "a", "who": "b", "at": NaN}',
    b'{"slate": "a", "who": "b", "at": 1e400}',
    b'{"slate": "\\ud800", "who": "b", "at": 1700006400000}',
    b'{"slate": {"$ne": null}, "who": {"$ne": null}, "at": 1700006400000}',
    json.dumps(
        {"slate": [], "who": "<!channel> *x* <script>alert(1)</script>", "at": "'; DROP TABLE alerts;--"}
    ).encode(),
    json.dumps({"slate": None, "who": '"} 1\nforged_total{x="', "at": "\x1b[2J\u202e"}).encode(),
)


def lines(topic: str, *, hostile: bool) -> Iterator[bytes]:
    """The shop's events of a topic; behind every hundredth something else."""
    own = [body for _, where, body in shop_events() if where.topic == topic]
    for n, body in enumerate(own):
        yield body
        if hostile and n % EVERY == EVERY // 2:
            yield HOSTILE[n // EVERY % len(HOSTILE)]


def shop(folder: Path, *, hostile: bool) -> Ended:
    topics = sorted({where.topic for _, where, _ in shop_events()})
    return replayed(shop_plan(), {t: [written(folder, t, lines(t, hostile=hostile))] for t in topics})


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return shop(tmp_path_factory.mktemp("clean"), hostile=False)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return shop(tmp_path_factory.mktemp("attacked"), hostile=True)


def test_every_one_is_a_dead_letter_with_a_reason_in_one_line(clean: Ended, attacked: Ended) -> None:
    placed = sum(
        len([*lines(t, hostile=True)]) - len([*lines(t, hostile=False)]) for t in ("slates", "clicks", "visits")
    )
    rejects = attacked.told.rejects
    assert placed > 50
    assert len(rejects) - len(clean.told.rejects) == placed
    assert len({r.reason for r in rejects}) > len(HOSTILE) - 2
    for reject in rejects:
        assert reject.reason
        assert reject.reason.isprintable()
        assert len(reject.reason) < 300
        assert reject.raw is None


def test_findings_alerts_and_messages_are_those_of_the_clean_stream(clean: Ended, attacked: Ended) -> None:
    assert len(clean.told.findings) > 300
    assert attacked.told.without(ARRIVALS).lines() == clean.told.without(ARRIVALS).lines()


def test_one_in_a_hundred_is_below_the_limit_and_wakes_nobody(attacked: Ended) -> None:
    assert not [a for a in attacked.told.alerts if a.watch.startswith("rejects.")]
    assert {row.state for watch, row in attacked.status.items() if watch.startswith("rejects.")} <= {
        "ok",
        "insufficient",
    }
