"""34: a hundred watches on streams in which nothing ever changes, for a simulated quarter, all allowed to page."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.evidence import Mode, Standing
from monitor.alerting.alert import Severity
from tests.scenarios.world import HOUR, SHARED, START, Ended, configured, replayed, written

DAYS, SLOTS_A_DAY, PEOPLE = 91, 2, 300
NUMBERS, CATEGORIES, OUTCOMES = 84, 14, 2
BUDGET = 3.0
"""False pages in 28 days that the team accepts: more than the shipped 1, so that a breach of it can show."""


def model() -> str:
    features = [f"n{i}: n{i}" for i in range(NUMBERS)]
    features += [f"c{i}: {{ path: c{i}, type: category }}" for i in range(CATEGORIES)]
    loud = [f"features.n{i}: {{ severity: page, window: 12h }}" for i in range(NUMBERS)]
    loud += [f"features.c{i}: {{ severity: page, window: 12h }}" for i in range(CATEGORIES)]
    outcomes = [f"o{i}: {{ topic: o{i}, time: at, match: {{ id: id }}, within: 1h }}" for i in range(OUTCOMES)]
    metrics = [f"m{i}: {{ of: o{i}, page_if_worse_by: 10% }}" for i in range(OUTCOMES)]
    return f"""
model: quiet
kind: classifier
window: 12h
predictions: {{ topic: decisions, id: id, time: at, unit: who, features: {{ {", ".join(features)} }} }}
outcomes: {{ {", ".join(outcomes)} }}
cohorts: {{ field: arm, holdout: {{ share: 30% }} }}
metrics: {{ {", ".join(metrics)} }}
watch: {{ {", ".join(loud)} }}
"""


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """People carry their own level of every number, so the values of one person are no independent draws."""
    folder, rng = tmp_path_factory.mktemp("quarter"), np.random.default_rng(34)
    people = rng.standard_normal((3_000, NUMBERS)).round(2)
    decisions: list[dict[str, object]] = []
    outcomes: list[list[dict[str, object]]] = [[] for _ in range(OUTCOMES)]
    for slot in range(DAYS * SLOTS_A_DAY):
        start = START + slot * 12 * HOUR
        who, arm = rng.integers(0, 3_000, PEOPLE), rng.random(PEOPLE) < 0.3
        numbers = (0.8 * people[who] + 0.6 * rng.standard_normal((PEOPLE, NUMBERS))).round(2)
        categories = rng.integers(0, 5, (PEOPLE, CATEGORIES))
        hit = rng.random((PEOPLE, OUTCOMES)) < 0.3
        for n in range(PEOPLE):
            name, at = f"{slot}.{n}", start + n * (12 * HOUR // PEOPLE)
            decisions.append(
                {"id": name, "at": at, "who": f"{who[n]}.{slot}", "arm": "holdout" if arm[n] else "exposed"}
                | {f"n{i}": value for i, value in enumerate(numbers[n].tolist())}
                | {f"c{i}": f"k{value}" for i, value in enumerate(categories[n].tolist())}
            )
            for i in np.flatnonzero(hit[n]).tolist():
                outcomes[i].append({"id": name, "at": at + 60_000})
    files = {"decisions": [written(folder, "decisions", decisions)]}
    files |= {f"o{i}": [written(folder, f"o{i}", rows)] for i, rows in enumerate(outcomes)}
    shared = SHARED.replace("digest: digest }", f"digest: digest, false_pages: {BUDGET:g} per 28d }}")
    return replayed(configured(folder, model(), shared), files)


def test_a_hundred_watches_looked_at_for_a_quarter_page_no_more_than_the_team_accepted(quarter: Ended) -> None:
    judged = {f.watch for f in quarter.told.findings if f.evidence.mode is Mode.WATCHING}
    assert len(judged) >= 100
    expected = BUDGET * DAYS / 28
    pages = [a for a in quarter.alerts() if a.severity in (Severity.PAGE, Severity.CRITICAL)]
    assert len(pages) <= expected + 3 * np.sqrt(expected)


def test_they_had_data_to_judge(quarter: Ended) -> None:
    fine = sum(f.evidence.standing is Standing.OK and f.evidence.mode is Mode.WATCHING for f in quarter.told.findings)
    assert fine > 8_000
