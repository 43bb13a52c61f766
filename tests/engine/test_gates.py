"""A gate shuts on evidence of the strength of a page, not on a warning; and opens again when its watch has recovered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from detectors.sample_ratio import Counts, SampleRatio, SampleRatioParams
from monitor.engine.gates import shuts
from monitor.testing import Told, run_over
from monitor.watch.plan import ModelPlan
from tests.engine.shop import START
from tests.engine.uneven import WINDOW, plan_of, tape


def told_of(plan: ModelPlan, windows: Sequence[tuple[int, int]]) -> Told:
    return run_over(plan, tape(windows))


def course(told: Told, watch: str) -> list[tuple[int, str]]:
    return [
        ((f.end - START) // WINDOW, str(f.evidence.crossing))
        for f in told.findings
        if f.watch == watch and f.evidence.crossing is not Crossing.NONE
    ]


def blind(told: Told) -> list[int]:
    return [
        (f.end - START) // WINDOW
        for f in told.findings
        if f.watch == "clicks" and f.evidence.standing is Standing.BLIND
    ]


def test_a_warning_on_a_split_that_is_sound_blinds_nothing(tmp_path: Path) -> None:
    told = told_of(plan_of(tmp_path), [(5, 5)] * 20 + [(2, 8)] * 10 + [(5, 5)] * 15)
    assert course(told, "holdout") == [(30, "warn"), (37, "recovered")]
    assert not blind(told)


def test_a_broken_split_blinds_comparisons_until_it_is_mended(tmp_path: Path) -> None:
    told = told_of(plan_of(tmp_path), [(5, 5)] * 20 + [(2, 8)] * 20 + [(5, 5)] * 40)
    said = course(told, "holdout")
    assert [crossing for _, crossing in said] == ["warn", "page", "recovered"]
    (_, _), (paged, _), (recovered, _) = said
    seen = blind(told)
    assert paged - 3 <= min(seen) <= paged
    assert seen == list(range(min(seen), recovered + 1))
    reasons = {f.evidence.reason for f in told.findings if f.evidence.standing is Standing.BLIND}
    assert any("holdout: the holdout is " in reason for reason in reasons)


def said(crossing: Crossing, low: float, high: float, kind: str, mode: Mode = Mode.RECOVERING) -> Evidence:
    interval = Interval(low=low, high=high, kind=kind)
    return Evidence(mode=mode, crossing=crossing, effect=(low + high) / 2, interval=interval, margin=0.01)


@pytest.mark.parametrize(
    ("evidence", "shut"),
    [
        (said(Crossing.PAGE, -0.005, 0.02, "recent"), True),
        (said(Crossing.CRITICAL, -0.005, 0.02, "recent"), True),
        (said(Crossing.WARN, 0.02, 0.04, "recent"), False),
        (said(Crossing.NONE, 0.005, 0.04, "fresh"), False),
        (said(Crossing.NONE, 0.011, 0.04, "fresh"), True),
        (said(Crossing.NONE, -0.04, -0.011, "fresh"), True),
        (said(Crossing.NONE, -0.04, 0.009, "fresh"), False),
        (said(Crossing.NONE, 0.02, 0.04, "since_start", Mode.WATCHING), False),
        (msgspec.structs.replace(said(Crossing.NONE, 0.0, 0.0, ""), interval=None), False),
    ],
)
def test_a_gate_shuts_at_a_page_or_once_later_data_alone_confirm_a_warning(evidence: Evidence, *, shut: bool) -> None:
    assert shuts(evidence) is shut


def test_of_false_warnings_what_comes_later_confirms_few() -> None:
    """Sound splits of 20 people a window that were warned of: at most 5 % are confirmed."""
    rng, detector, p = np.random.default_rng(12), SampleRatio(), SampleRatioParams(holdout_share=0.5)
    runs = 120
    state = detector.start([p] * runs)
    opened, confirmed = np.zeros(runs, np.bool_), np.zeros(runs, np.bool_)
    for window in range(120):
        held = rng.binomial(20, 0.5, runs)
        counts = [Counts(np.array([20 - h, h])) for h in held.tolist()]
        tick = Tick.plain(window, window + 1, page=0.0, warn=0.05, watches=runs)
        state, told = detector.close([p] * runs, state, counts, tick)
        opened |= [e.crossing is Crossing.WARN for e in told]
        confirmed |= [shuts(e) for e in told]
    assert opened.sum() > 60
    share = confirmed.sum() / opened.sum()
    assert share <= 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / opened.sum())
