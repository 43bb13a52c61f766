"""One verdict of an experiment: who is heard, when, and what is left unsaid."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.evidence import Crossing, Evidence, Mode, Standing, Verdict
from monitor.watch.verdicts import Word, together

ALPHA = 0.05


def said(
    verdict: Verdict, crossing: Crossing = Crossing.WARN, *, log_e: float = 5.0, effect: float = 0.1, alone: bool = True
) -> Evidence:
    return Evidence(
        mode=Mode.WATCHING,
        standing=Standing.OK,
        crossing=crossing,
        verdict=verdict,
        effect=effect,
        log10_e=log_e / np.log(10),
        reason="here",
        detail={"ended": crossing is not Crossing.NONE, "alone": alone, "better": "higher"},
    )


PROMOTED = Word(str(Verdict.PROMOTE), ended=True)
OPEN = Word(str(Verdict.HOLD))


def test_harm_in_one_comparison_speaks_for_the_experiment_at_once() -> None:
    heard, word = together("v.errors", said(Verdict.ROLLBACK, Crossing.PAGE), None, {"v.slow": OPEN}, ALPHA)
    assert (heard.crossing, heard.verdict, word.told) == (Crossing.PAGE, Verdict.ROLLBACK, True)


def test_harm_that_was_told_by_another_comparison_is_not_told_twice() -> None:
    told = Word(str(Verdict.ROLLBACK), ended=True, told=True)
    heard, _ = together("v.errors", said(Verdict.ROLLBACK, Crossing.PAGE), None, {"v.slow": told}, ALPHA)
    assert (heard.crossing, heard.verdict) == (Crossing.NONE, Verdict.ROLLBACK)
    assert "told with v.slow already" in heard.reason


def test_soundness_waits_for_everything_that_is_compared() -> None:
    heard, word = together("v.errors", said(Verdict.PROMOTE), None, {"v.slow": OPEN, "v.saves": PROMOTED}, ALPHA)
    assert (heard.crossing, heard.verdict, word.told) == (Crossing.NONE, Verdict.HOLD, False)
    assert "waits for v.slow" in heard.reason


@pytest.mark.parametrize(
    ("others", "overall"),
    [
        ({}, Verdict.PROMOTE),
        ({"v.slow": PROMOTED}, Verdict.PROMOTE),
        ({"v.slow": Word(str(Verdict.INCONCLUSIVE), ended=True)}, Verdict.INCONCLUSIVE),
    ],
)
def test_the_last_to_be_sound_says_the_verdict_of_all(others: dict[str, Word], overall: Verdict) -> None:
    heard, _ = together("v.errors", said(Verdict.PROMOTE), None, others, ALPHA)
    assert (heard.crossing, heard.verdict) == (Crossing.WARN, overall)


def test_nothing_is_promoted_after_harm() -> None:
    stopped = Word(str(Verdict.ROLLBACK), ended=True, told=True)
    heard, _ = together("v.errors", said(Verdict.PROMOTE), None, {"v.slow": stopped}, ALPHA)
    assert heard.crossing is Crossing.NONE
    assert "stopped by v.slow" in heard.reason


def test_metrics_that_decide_together_are_told_when_the_first_is_selected_and_not_again() -> None:
    others = {"x.b": Word(alone=False, log_e=1.0), "x.main": Word(log_e=50.0)}
    strong = said(Verdict.HOLD, Crossing.NONE, log_e=float(np.log(2 / ALPHA)) + 0.1, alone=False)
    heard, word = together("x.a", strong, None, others, ALPHA)
    assert (heard.crossing, heard.verdict) == (Crossing.WARN, Verdict.TREATMENT)
    assert "of 2 metrics that decide together these differ: x.a (treatment is better)" in heard.reason
    closed, word = together("x.a", strong, word, others, ALPHA)
    assert (closed.crossing, word.closing) == (Crossing.RECOVERED, False)
    quiet, _ = together("x.a", strong, word, others, ALPHA)
    assert (quiet.crossing, quiet.verdict) == (Crossing.NONE, Verdict.TREATMENT)


def test_evidence_that_would_do_alone_does_not_do_among_many() -> None:
    others = {f"x.{n}": Word(alone=False) for n in range(9)}
    heard, _ = together("x.a", said(Verdict.HOLD, Crossing.NONE, log_e=np.log(30), alone=False), None, others, ALPHA)
    assert heard.crossing is Crossing.NONE


def test_when_time_is_up_the_last_metric_tells_of_all() -> None:
    late = said(Verdict.INCONCLUSIVE, log_e=0.0, effect=-0.1, alone=False)
    waiting, _ = together("x.a", late, None, {"x.b": Word(alone=False)}, ALPHA)
    assert waiting.crossing is Crossing.NONE
    done = {"x.b": Word(alone=False, ended=True, log_e=9.0, better="control")}
    heard, _ = together("x.a", late, None, done, ALPHA)
    assert (heard.crossing, heard.verdict) == (Crossing.WARN, Verdict.INCONCLUSIVE)
    assert "these differ: x.b (control is better)" in heard.reason


def test_a_window_that_is_blind_says_what_it_says() -> None:
    blind = Evidence(mode=Mode.WATCHING, standing=Standing.BLIND, detail={"alone": False})
    before = Word(alone=False, log_e=3.0)
    assert together("x.a", blind, before, {}, ALPHA) == (blind, before)
