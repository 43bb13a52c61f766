"""Many hypotheses at once, from their e-values, whatever the dependence between them.

A set judged together (the metrics of an experiment): `e_bh` bounds the false discovery rate of the set it returns, at one
stopping time; sets gathered over several looks are not covered. Hypotheses that arrive one by one (one experiment after
another): `Lond` bounds the rate over all decisions so far. Intervals of the selected: at level `selected_level`.

All e-values are logarithms, so that none overflows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats

_GAMMA_SUM = 2.109742801236892
"""Sum over n >= 2 of 1 / (n log^2 n)."""


def e_bh(log_e: Floats, level: float) -> Bools:
    """The rejected among K hypotheses with log e-values `log_e` (K,): false discovery rate at most `level` in (0, 1).

    Rejects the k largest for the largest k whose k-th e-value is at least K / (level k). Valid under any dependence, at any
    one stopping time of e-processes. NaN is never rejected and counts as a hypothesis.

    Source: Wang and Ramdas 2022, JRSS-B 84, "False discovery rate control with e-values".

    >>> e_bh(np.log([100.0, 30.0, 1.0]), 0.1)
    array([ True,  True, False])
    """
    size = len(log_e)
    known = np.where(np.isnan(log_e), -np.inf, log_e)
    rank = np.arange(1, size + 1)
    order = np.argsort(-known, kind="stable")
    enough = np.flatnonzero(known[order] >= np.log(size / (level * rank)))
    rejected = np.zeros(size, np.bool_)
    if len(enough):
        rejected[order[: enough[-1] + 1]] = True
    return rejected


def selected_level(selected: int, of: int, alpha: float) -> float:
    """Alpha of each interval where `selected` of `of` are shown because of their data: alpha * selected / of.

    The expected share of shown intervals that miss is then at most `alpha`, for confidence sequences that are dual to
    e-values, under any dependence. Source: Xu, Wang and Ramdas 2022, "Post-selection inference for e-value based confidence
    intervals" (the e-BY procedure).

    >>> round(selected_level(2, 10, 0.05), 3)
    0.01
    """
    return alpha * max(selected, 1) / max(of, 1)


@dataclass(frozen=True)
class Lond:
    """Hypotheses that arrive one by one: how many have come, and how many were rejected.

    The t-th is tested at level alpha * gamma_t * (rejections so far + 1), gamma_t = c / ((t + 1) log^2(t + 1)), summing to 1.
    The false discovery rate of all decisions is then at most alpha at every t, under any dependence. Tests may overlap, each
    with the level of when it began: rejections since then only make the rate smaller.
    Source: Xu and Ramdas 2024, AISTATS, "Online multiple testing with e-values" (e-LOND).

    >>> after, rejected = Lond().decide(np.log(200.0), 0.05)
    >>> rejected, after
    (True, Lond(seen=1, rejected=1))
    """

    seen: int = 0
    rejected: int = 0

    def level(self, alpha: float) -> float:
        """The level of the next hypothesis."""
        n = self.seen + 2
        return float(alpha * (self.rejected + 1) / (_GAMMA_SUM * n * np.log(n) ** 2))

    def decide(self, log_e: float, alpha: float) -> tuple[Lond, bool]:
        """Test the next hypothesis by the log of its e-value; returns the state after it, and whether it is rejected."""
        reject = bool(log_e >= -np.log(self.level(alpha)))
        return Lond(self.seen + 1, self.rejected + reject), reject
