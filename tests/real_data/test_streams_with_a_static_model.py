"""`sea` and `elec2`: a model that is never trained again, watched by the risk of its answers, beside ADWIN on its errors.

SEA: the rule behind the labels changes at 12,500, 25,000 and 37,500; the model's error is .106, .157, .154 and .200, so the
second change cannot be seen in the error. After a page a new watch learns anew, as a person does who accepts the new state.
Elec2: half-hourly prices of New South Wales; the error wanders between .2 and .4, and nobody knows when it changed.
Sources: Street and Kim 2001, KDD (SEA); Harries 1999, "Splice-2 comparative evaluation: electricity pricing" (Elec2).
"""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats
from detectors.risk import RiskParams
from tests.figures import Figure
from tests.real_data.feeding import adwin, crossings, pages
from tests.real_data.shared import scorer, table

CHANGES, ROWS = [12_500, 25_000, 37_500], 50_000
HORIZON = 5_000
WINDOW, PAGE = 250, 1 / 200
"""One false page is promised in 200 windows, which is about the length of each stream."""


def stream(name: str) -> tuple[dict[str, Floats], Floats]:
    """What the model claimed and what came of it; and whether it was wrong."""
    rows = table(f"{name}/stream.csv.gz")
    sure, says = (np.array([float(r[column]) for r in rows]) for column in ("p_max", "y_pred"))
    truth, wrong = (np.array([float(r[column]) for r in rows]) for column in ("y_true", "err"))
    return {"probability": np.where(says == 1, sure, 1 - sure), "value": truth}, wrong


def risk(margin: float, learn: int) -> RiskParams:
    return RiskParams(loss="error", page_if_worse_by=margin, sample_units=500, learn_units=learn, learn_windows=5)


def test_sea_both_visible_changes_are_paged_as_by_adwin_and_nothing_else(figure: Figure) -> None:
    columns, wrong = stream("sea")
    ours = pages(crossings("risk", risk(0.05, 5_000), columns, rows=WINDOW, page=PAGE, rebaseline=True, first=2_500))
    theirs = adwin(wrong, first=2_500)
    scored = {who: scorer("score_drifts").strict(CHANGES, d, HORIZON, ROWS) for who, d in (("o", ours), ("a", theirs))}
    for who, name in (("o", "ours"), ("a", "ADWIN")):
        found, false = scored[who]["found"], scored[who]["false_alarms"]
        figure(f"sea: changes found by {name}, of two that can be seen", found, "changes", 3, target=2, met=found >= 2)
        figure(f"sea: false pages of {name}", false, "pages", 3, target=0, met=false == 0)
        figure(f"sea: delay of {name}, mean", float(np.mean(scored[who]["delays"])), "rows", found)
    assert ours == [13_249, 40_999]
    assert (scored["o"]["found"], scored["o"]["false_alarms"]) == (2, 0)
    assert (scored["a"]["found"], scored["a"]["false_alarms"]) == (2, 0)
    assert scored["o"]["delays"] == [749, 3_499]
    assert scored["a"]["delays"] == [623, 2_471]


def test_sea_without_a_new_baseline_the_third_change_makes_the_open_alert_critical() -> None:
    columns, _ = stream("sea")
    told = crossings("risk", risk(0.1, 5_000), columns, rows=WINDOW, page=PAGE, first=2_500)
    assert [(c.row, str(c.evidence.crossing)) for c in told] == [(13_249, "page"), (38_749, "critical")]
    effect, at = told[0].evidence.interval, told[0].evidence.change_at
    assert effect is not None
    assert effect.low <= 0.157 - 0.106 <= effect.high
    assert at is not None
    assert abs(2_500 + at / 3_600_000 * WINDOW - CHANGES[0]) <= 2 * WINDOW


def test_elec2_a_handful_of_pages_where_adwin_reports_eighty_six_drifts(figure: Figure) -> None:
    columns, wrong = stream("elec2")
    ours = pages(crossings("risk", risk(0.1, 5_000), columns, rows=WINDOW, page=PAGE, rebaseline=True, first=2_000))
    theirs = adwin(wrong, first=2_000)
    figure("elec2: pages", len(ours), "pages", len(wrong))
    figure("elec2: drifts that ADWIN reports", len(theirs), "drifts", len(wrong))
    assert len(theirs) == 86
    assert ours == [7_749, 19_249, 27_249, 34_249, 40_749]
    before = 2_000
    for row in ours:
        learned, after = wrong[before : before + 5_500].mean(), wrong[row - 2 * WINDOW : row].mean()
        assert after > 1.1 * learned, row
        before = row + 1
