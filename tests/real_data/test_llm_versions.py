"""GPT-3.5 and GPT-4, the versions of March and June 2023 on the same prompts: does the newer one answer as often?

Published: GPT-4 answers sensitive questions in 21 % of cases, then in 5 %, and its code runs as it is in 52 %, then in 10 %;
GPT-3.5 in 2 % and 8 %, and in 22 % and 2 %. Each answer is a unit; 50 or 100 of each version, told in ten looks.
Source: Chen, Zaharia and Zou 2023, "How is ChatGPT's behavior changing over time?", Apache-2.0.
"""

from __future__ import annotations

import numpy as np
import pytest

from detectors.ab_test import AbTest, AbTestParams
from detectors.columns import Columns, Numeric, flag
from detectors.detector import Tick
from detectors.evidence import Evidence, Verdict
from tests.figures import Figure
from tests.real_data.shared import table

LOOK = 20


def outcomes(task: str, service: str, month: str) -> list[float]:
    """Whether each prompt was answered (or its code ran), in the order of the file; versions of March are 03xx, of June 06xx."""
    rows = table(f"llmdrift_A/{task}.csv.gz")
    return [float(r["outcome"]) for r in rows if r["service"] == service and r["version"].startswith(month)]


def compared(task: str, service: str) -> list[Evidence]:
    """The newer version as treatment, the older as control, prompt by prompt."""
    pairs = list(zip(outcomes(task, service, "06"), outcomes(task, service, "03"), strict=True))
    value, arm = np.array(pairs).ravel(), np.tile(np.array([0, 1], np.int8), len(pairs))
    detector, p, told = AbTest(), AbTestParams(min_units=20), []
    state = detector.start([p])
    for t, start in enumerate(range(0, len(value), LOOK)):
        rows = slice(start, start + LOOK)
        n = len(value[rows])
        index = np.arange(start, start + n)
        columns = Columns(np.full(n, t), (index + 1).astype(np.uint64), arm[rows], np.zeros(n, np.int32), index)
        columns = columns.having(value=Numeric(value[rows]), first=flag(np.ones(n, np.bool_)))
        stat = detector.fold(None, detector.empty(None), columns)
        state, (evidence,) = detector.close([p], state, [stat], Tick.plain(t, t + 1, page=0.0, warn=0.0))
        told.append(evidence)
    return told


@pytest.mark.parametrize(
    ("task", "service", "published"),
    [
        ("sensitiveq", "gpt-4", 0.05 - 0.21),
        ("leetcode_easy", "gpt-4", 0.10 - 0.52),
        ("leetcode_easy", "gpt-3.5-turbo", 0.02 - 0.22),
    ],
)
def test_the_published_falls_are_told_before_the_prompts_run_out(
    task: str, service: str, published: float, figure: Figure
) -> None:
    told = compared(task, service)
    decided = [t for t, e in enumerate(told) if e.verdict is Verdict.CONTROL]
    after, of = (decided[0] + 1 if decided else 0), len(told)
    figure(f"{service}, {task}: the fall is told at look", after, "looks", of, target=of, met=0 < after < of)
    assert decided
    assert decided[0] < len(told) - 1
    last = told[-1]
    assert last.effect == pytest.approx(published)
    assert last.interval is not None
    assert last.interval.high < 0


def test_two_answers_in_a_hundred_against_eight_are_held_not_called_a_rise() -> None:
    told = compared("sensitiveq", "gpt-3.5-turbo")
    assert {e.verdict for e in told} == {Verdict.HOLD}
    assert told[-1].effect == pytest.approx(0.06)
    assert told[-1].interval is not None
    assert told[-1].interval.low < 0 < told[-1].interval.high
