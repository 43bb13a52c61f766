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
DAY = 86_400_000


def run(seen: Floats, sizes: Floats, *, watches: int, spend: float, seed: int) -> list[list[Evidence]]:
    """`seen` (T, G): chance of new units of each group to be held out; `sizes` (T, G): how many come. Windows of a day."""
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
        tick = Tick.plain(t * DAY, (t + 1) * DAY, page=spend, warn=spend, watches=watches)
        state, evidence = DETECTOR.close(ps, state, stats, tick)
        told.append(evidence)
    return told


def crossed(told: list[list[Evidence]], *what: Crossing) -> Bools:
    """(T, W)."""
    return np.array([[e.crossing in what for e in row] for row in told])


def test_a_holdout_sound_in_every_group_alarms_no_more_than_one_watch_spends_though_groups_come_and_go() -> None:
    watches, windows, spend = 60, 80, 0.05
    versions = np.subtract.outer(np.arange(windows), np.arange(windows))
    released = np.where((versions >= 0) & (versions < 3), 150.0, 0.0)  # of which many must make room for later ones
    sizes = np.concatenate([np.tile([3_000.0, 400.0, 50.0, 5.0], (windows, 1)), released], axis=1)
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


def test_a_group_that_is_gone_makes_room_for_a_new_one_which_begins_anew() -> None:
    sizes = np.zeros((28, PLACES + 2))
    sizes[:4, :PLACES] = 120.0
    sizes[:, 0] = 120.0
    sizes[4:, 1] = 5.0  # an old version that hardly anybody installs any more
    sizes[10:, PLACES:] = 130.0
    seen = np.full(sizes.shape, HELD)
    seen[:2, 1] = 0.02  # what was wrong with those before does not weigh on who gets their place
    told = [e for (e,) in run(seen, sizes, watches=1, spend=1e-9, seed=415)]
    assert not crossed([[e] for e in told], Crossing.PAGE).any()
    counted = [e.detail["groups"] for e in told]
    new = [f"g{PLACES}", f"g{PLACES + 1}"]
    assert not any(name in groups for groups in counted[:17] for name in new)
    assert all(sum(counted[t][name].values()) == 130 * (t - 16) for t in range(17, 28) for name in new)
    assert sum(counted[-1]["g0"].values()) == 28 * 120
    assert len(counted[-1]) == PLACES + 1
    assert "g1" not in counted[-1]
    assert [e.detail["folded_exposures"] for e in told] == [0] * 10 + [260] * 7 + [0] * 11
    assert all(("all 50 places are taken" in e.detail.get("folded", "")) is (10 <= t < 17) for t, e in enumerate(told))
    seen[20:, PLACES] = 0.0
    paged = [e for (e,) in run(seen, sizes, watches=1, spend=1e-9, seed=416) if e.crossing is Crossing.PAGE]
    assert [(e.detail["group"], e.n["holdout"]) for e in paged] == [(new[0], 0)]


def test_the_group_that_an_open_alert_names_keeps_its_place() -> None:
    sizes = np.zeros((40, PLACES + 1))
    sizes[:6, :PLACES] = 400.0
    sizes[6:, PLACES] = 400.0
    seen = np.full(sizes.shape, HELD)
    seen[2:, 0] = 0.02
    told = [e for (e,) in run(seen, sizes, watches=1, spend=1e-6, seed=417)]
    assert {e.detail["group"] for e in told[6:]} == {"g0"}
    assert told[-1].mode is Mode.RECOVERING
    assert told[18].reason == "the group is g0"
    assert told[-1].reason == (
        "the group is g0; it has brought fewer than 100 new units a window for 34 days: if it is gone, re-arm this watch"
    )
    assert {"g0", f"g{PLACES}"} <= told[-1].detail["groups"].keys()
