"""What tests of a release on two arms have in common: sums of both since the start, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from detectors import three_way
from detectors.columns import Bools, Floats
from detectors.detector import Tick
from detectors.evidence import Evidence, Interval
from detectors.two_arms import N0, N1, S0, S1


@dataclass(frozen=True)
class ReleaseState:
    """W tests. `total` (W, 6): sums of both arms since the start; `tau` (W,): where intervals are tightest, 0 until known."""

    tests: three_way.ThreeWay
    total: Floats
    tau: Floats


@dataclass(frozen=True)
class Counted:
    """A window's sums on top of what was there, each (W,) or (W, 6).

    informative    somebody enrolled; again: the test begins anew, so that `before` and `tau` are nothing.
    before, total  sums without this window, and with it, where no gate fails.
    """

    informative: Bools
    again: Bools
    before: Floats
    total: Floats
    tau: Floats


def start(watches: int, bets: int) -> ReleaseState:
    """No evidence, with G bets a side."""
    return ReleaseState(three_way.start(watches, bets), np.zeros((watches, 6)), np.zeros(watches))


def counted(s: ReleaseState, window: Floats, tick: Tick) -> Counted:
    """With a window's sums (W, 6)."""
    informative, again = (window[:, N1] + window[:, N0]) > 0, three_way.restarts(s.tests, tick)
    before = np.where(again[:, None], 0.0, s.total)
    total = np.where((informative & ~tick.gated)[:, None], before + window, before)
    return Counted(informative, again, before, total, np.where(again, 0.0, s.tau))


def pooled_mean(total: Floats) -> Floats:
    """Of both arms together, (W,); 0 for nobody."""
    result: Floats = (total[:, S1] + total[:, S0]) / np.maximum(total[:, N1] + total[:, N0], 1.0)
    return result


def filled(base: Evidence, total: Floats, radius: float, level: float, inputs: dict[str, float]) -> Evidence:
    """`base` with the sizes and means of sums (6,), and the interval of their difference, by its half-width and inputs."""
    n1, n0 = int(total[N1]), int(total[N0])
    known = n1 > 0 and n0 > 0
    m1, m0 = float(total[S1]) / max(n1, 1), float(total[S0]) / max(n0, 1)
    effect = m1 - m0 if known else None
    return msgspec.structs.replace(
        base,
        n={"treatment": n1, "control": n0},
        arms={"treatment": m1, "control": m0} if known else {},
        effect=effect,
        relative=effect / m0 if effect is not None and m0 > 0 else None,
        interval=Interval(
            low=effect - radius, high=effect + radius, level=level, formula="normal_mixture", inputs=inputs
        )
        if effect is not None and np.isfinite(radius)
        else None,
        unit="share of units",
    )
