"""Promises of the sample-ratio gate by group, as rates with their Monte Carlo error."""

from __future__ import annotations

import numpy as np

from detectors import split
from detectors.columns import Bools, Floats
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode
from detectors.named import Named
from detectors.sample_ratio_by_group import SampleRatioByGroup, SampleRatioByGroupParams
from detectors.sample_ratio_by_group.state import PLACES, Split

DETECTOR = SampleRatioByGroup()
HELD = 0.1


def run(seen: Floats, sizes: Floats, *, watches: int, spend: float, seed: int) -> list[list[Evidence]]:
    """`seen` (T, G): chance of new units of each group to be held out; `sizes` (T, G): how many come."""
    rng, groups = np.random.default_rng(seed), seen.shape[1]
    ids = np.arange(1, groups + 1).astype(np.uint64)
    texts = np.array([f"g{i}" for i in range(groups)], object)
    ps = [SampleRatioByGroupParams(holdout_share=HELD, by="g")] * watches
    state, told = DETECTOR.start(ps), []
    for t, (shares, units) in enumerate(zip(seen, sizes.astype(np.int64), strict=True)):
        came = units > 0
        held = rng.binomial(units, shares, (watches, groups))
        named = Named(ids[came], texts[came], np.zeros(int(came.sum()), np.int64))
        stats = [Split(ids[came], np.stack([units - h, h], axis=1)[came].astype(np.int64), named) for h in held]
        tick = Tick.plain(t, t + 1, page=spend, warn=spend, watches=watches)
        state, evidence = DETECTOR.close(ps, state, stats, tick)
        told.append(evidence)
    return told


def crossed(told: list[list[Evidence]], *what: Crossing) -> Bools:
    """(T, W)."""
    return np.array([[e.crossing in what for e in row] for row in told])


def test_a_holdout_sound_in_every_group_alarms_no_more_than_one_watch_spends() -> None:
    watches, windows, spend = 60, 100, 0.05
    sizes = np.tile([3_000.0, 400.0, 50.0, 5.0], (windows, 1))
    told = run(np.full(sizes.shape, HELD), sizes, watches=watches, spend=spend / windows, seed=410)
    bound = spend + split.START_LEVEL
    assert crossed(told, Crossing.PAGE).any(axis=0).mean() <= bound + 3 * np.sqrt(bound * (1 - bound) / watches)


def test_a_group_that_loses_its_holdout_is_named_though_the_whole_hardly_moves_and_its_repair_is_told() -> None:
    watches, windows = 12, 110
    sizes = np.tile([1_700.0, 200.0, 100.0], (windows, 1))
    seen = np.full(sizes.shape, HELD)
    seen[20:60, 1] = 0.05  # half of a group with a tenth of people: the whole falls from .100 to .095
    told = run(seen, sizes, watches=watches, spend=1e-6, seed=411)
    opened, closed = crossed(told, Crossing.PAGE), crossed(told, Crossing.RECOVERED)
    assert opened[:20].sum() == 0
    assert opened[:60].any(axis=0).all()
    first = [told[t][w] for w, t in enumerate(opened.argmax(axis=0).tolist())]
    assert {e.detail["group"] for e in first} == {"g1"}
    assert np.mean([e.detail["broken"] == ["g1"] for e in first]) >= 0.9
    assert all(e.reason == "the group is g1" for e in first if e.detail["broken"] == ["g1"])
    assert all(e.interval is not None and e.interval.high < 0 for e in first)
    assert (closed.argmax(axis=0) >= 60).all()
    assert closed.any(axis=0).mean() >= 0.9


def test_an_alert_stays_open_while_another_group_is_still_broken() -> None:
    watches, windows = 12, 110
    sizes = np.full((windows, 3), 600.0)
    seen = np.full(sizes.shape, HELD)
    seen[20:50, 0] = 0.04
    seen[20:, 1] = 0.06
    told = run(seen, sizes, watches=watches, spend=1e-5, seed=412)
    assert crossed(told, Crossing.PAGE).any(axis=0).all()
    assert all(e.mode is Mode.RECOVERING and "g1" in e.detail["broken"] for e in told[-1])


def test_a_group_that_comes_late_gets_a_place_and_those_beyond_the_places_are_watched_together() -> None:
    sizes = np.full((14, PLACES + 4), 120.0)
    sizes[:4, :2] = 0.0
    seen = np.full(sizes.shape, HELD)
    (late,) = run(seen[:, : PLACES - 1], sizes[:, : PLACES - 1], watches=1, spend=1e-6, seed=413)[-1]
    assert {"g0", "g1"} <= late.detail["groups"].keys()
    (many,) = run(seen, sizes, watches=1, spend=1e-6, seed=413)[-1]
    assert len(many.detail["groups"]) == PLACES + 1
    assert "other groups" in many.detail["groups"]
    assert "g0" not in many.detail["groups"]
    seen[4:, :2] = 0.0
    lost = [e for (e,) in run(seen, sizes, watches=1, spend=1e-6, seed=414) if e.crossing is Crossing.PAGE]
    assert [e.detail["group"] for e in lost] == ["other groups"]
