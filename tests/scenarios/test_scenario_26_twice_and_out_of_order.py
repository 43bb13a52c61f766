"""26: every record delivered twice, and partitions re-ordered within lateness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.engine.shop import ARRIVALS, CONFIG, LATENESS, shop_events
from tests.scenarios.world import Ended, configured, replayed, written

"""What came twice arrived twice: the watches on arrivals count it so."""


def ended(folder: Path, order: Sequence[int]) -> Ended:
    """The shop's events in another order, each partition a file."""
    lines: dict[tuple[str, int], list[bytes]] = {}
    for index in order:
        _, (topic, partition), body = shop_events()[index]
        lines.setdefault((topic, partition), []).append(body)
    files: dict[str, list[Path]] = {}
    for (topic, partition), bodies in sorted(lines.items()):
        files.setdefault(topic, []).append(written(folder, f"{topic}-{partition}", bodies))
    return replayed(configured(folder, CONFIG, ""), files)


def displaced(seed: int, copies: int) -> list[int]:
    """Every event `copies` times, each displaced by less than the allowed lateness."""
    rng = np.random.default_rng(seed)
    times = np.repeat([came for came, _, _ in shop_events()], copies)
    order = np.argsort(times + rng.integers(0, LATENESS * 9 // 10, len(times)), kind="stable")
    return [int(i) // copies for i in order]


@pytest.fixture(scope="module")
def as_they_came(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ended(tmp_path_factory.mktemp("once"), range(len(shop_events())))


def test_other_orders_within_lateness_give_the_same_findings(as_they_came: Ended, tmp_path: Path) -> None:
    other = ended(tmp_path, displaced(26, 1))
    assert len(other.alerts()) > 5
    assert other.told.lines() == as_they_came.told.lines()
    assert other.status == as_they_came.status


def test_every_record_twice_and_out_of_order_gives_the_same_findings(as_they_came: Ended, tmp_path: Path) -> None:
    twice = ended(tmp_path, displaced(27, 2))
    assert twice.told.without(ARRIVALS).lines() == as_they_came.told.without(ARRIVALS).lines()
    assert {a.watch for a in twice.alerts()} == {a.watch for a in as_they_came.alerts()}
