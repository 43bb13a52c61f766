"""Every watch that says something shifted has a figure that is followed by cohort, or a reason why it has none."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.catalogue import DETECTORS
from detectors.columns import Numeric
from detectors.detector import Family, Tick
from detectors.judged import judged
from tests.laws.examples import EXAMPLES, HOUR

NOT_FOLLOWED = {
    "cohort_by_group": "it speaks of the one group that is worst, and is a comparison of randomised cohorts already",
    "calibration_gap": "a comparison of randomised cohorts, against a baseline of its own",
    "churn": "an insight that is never paged, about what the exposed are shown",
    "cohort_rate": "a comparison of randomised cohorts, with nothing learned of the past",
    "divergence": "a comparison of randomised cohorts, against a baseline of its own",
    "effective_sample": "it counts what serving itself decides",
    "engagement": "a reading that is never told by itself",
    "estimated_performance": "a hint on what nobody measured",
    "flywheel": "an insight that is never paged, about versions and not cohorts",
    "loop_gain": "pushes are drawn by coins",
    "tail_collapse": "it compares versions with each other",
    "training_health": "it counts what serving itself decides",
}
OWN_BASELINE = {"concentration", "homogenisation"}
"""They keep the change of each cohort themselves."""


def shifting() -> list[str]:
    families = (Family.SHIFT, Family.COHORT, Family.LOOP, Family.HINT)
    return sorted(name for name, test in DETECTORS.items() if test.family in families)


@pytest.mark.parametrize("name", shifting())
def test_the_figure_of_every_detector_is_followed_or_not_for_a_reason(name: str) -> None:
    detector, p, rng = DETECTORS[name], EXAMPLES[name].params, np.random.default_rng(2)
    state, seen = detector.start([p]), 0
    for window in range(30):
        rows = EXAMPLES[name].rows(rng, 600, window)
        prep = detector.prepare(p, state, 0)
        mean = rows if detector.needs(p).past is None else rows.having(value=Numeric(np.ones(len(rows))))
        what = judged(name, prep, mean)
        if what is not None:
            seen += 1
            assert what.values.shape == (len(rows), len(what.names))
            told = what.values[np.isfinite(what.values[:, 0])]
            assert np.isfinite(told).all()
        statistic = detector.fold(prep, detector.empty(prep), rows)
        state, _ = detector.close(
            [p], state, [statistic], Tick.plain(window * HOUR, (window + 1) * HOUR, page=1e-4, warn=1e-3)
        )
    assert (seen > 0) == (name not in NOT_FOLLOWED and name not in OWN_BASELINE)
