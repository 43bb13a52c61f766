"""14 series of the Turing Change Point Dataset through `numeric_shift`: a floor, not a claim.

The series have 15 to 581 points, that wander and have seasons, and five people each say where they change. `numeric_shift`
needs 200 points before it looks, and takes points for independent. So what is asked of it: it speaks rarely, and where it
divides the series the division agrees with people better than no division does (covering .585, F1 .678, as published).
Source: van den Burg and Williams 2020, arXiv 2003.06222; licences of the series are kept with the data.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from detectors.columns import Floats
from detectors.numeric_shift import NumericShiftParams
from tests.figures import Figure
from tests.real_data.feeding import HOUR, crossings
from tests.real_data.shared import folder, scorer, table

WINDOW, PAGE = 10, 1e-2
PARAMS = NumericShiftParams(eps=0.2, sample_units=100, learn_units=100, learn_windows=1)


def changes(values: Floats) -> list[int]:
    """Where `numeric_shift` says that it changed; it learns anew after each."""
    told = crossings("numeric_shift", PARAMS, {"value": values}, rows=WINDOW, page=PAGE, rebaseline=True)
    return [int((c.evidence.change_at or 0) / HOUR * WINDOW) for c in told if str(c.evidence.crossing) == "page"]


def test_what_is_told_divides_the_series_better_than_nothing_does(figure: Figure) -> None:
    people: dict[str, Any] = json.loads((folder() / "tcpd_A/annotations.json").read_text())
    values: dict[str, list[float]] = {}
    for r in table("tcpd_A/series.csv.gz"):
        values.setdefault(r["series"], []).append(float(r["v0"] or "nan"))
    tcpd, found = scorer("score_tcpd"), {name: changes(np.array(v)) for name, v in values.items()}

    def mean(score: str, given: dict[str, list[int]]) -> float:
        of = {"f1": lambda n: tcpd.f1(people[n]["annotators"], given.get(n, []))}
        of["cover"] = lambda n: tcpd.cover(people[n]["annotators"], given.get(n, []), people[n]["n_obs"])
        return float(np.mean([of[score](n) for n in people]))

    figure(
        "TCPD, 14 series: covering", mean("cover", found), "share", 14, target=0.585, met=mean("cover", found) > 0.585
    )
    figure("TCPD, 14 series: F1", mean("f1", found), "share", 14, target=0.678, met=mean("f1", found) > 0.678)
    assert mean("cover", {}) == pytest.approx(0.585, abs=5e-4)
    assert mean("f1", {}) == pytest.approx(0.678, abs=5e-4)
    assert mean("cover", found) > 0.60
    assert mean("f1", found) > 0.65
    assert sum(len(f) for f in found.values()) <= 6
