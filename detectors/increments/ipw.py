"""I3: a bounded value per unit in two randomised arms with known assignment probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats

BETS = 8
_TOP = 0.9
_SMALLEST, _LEAST = 0.01, 1e-4
_LOG_BOUND = 10.0


@dataclass(frozen=True, slots=True)
class Entries:
    """Units of W watches, grouped: entry i stands for `count[i]` units of watch `watch[i]` (ascending) with the same value.

    value in [0, 1]; exposed: in the exposed arm.
    """

    watch: npt.NDArray[np.intp]
    value: Floats
    exposed: Bools
    count: Floats


def log_increments(
    entries: Entries,
    watches: int,
    share: Floats,
    centre: Floats,
    margin: Floats,
    good: Floats,
    units: Floats | None = None,
) -> Floats:
    """Log e-increments against "exposed is not worse than holdout by more than `margin`", shape (W, BETS).

    share    (W,) probability of being exposed, in (0, 1), fixed by design.
    centre   (W,) predictable guess of the mean in [0, 1] (it only sharpens); clipped.
    margin   (W,) tolerated harm, absolute; negative values test that harm is at least so large (the mirrored null).
    good     (W,) +1 if higher values are better, -1 if lower are.
    units    (W,) predictable guess of how many come in the time in which a harm is to be found; None: no more than usual.

    With z = (y - m)(A / pi - (1 - A) / (1 - pi)), E z is the effect; u = -(good z + margin) has mean <= 0 under the null, and
    prod(1 + lam u) is an e-value for every lam with 1 + lam u > 0, also where lam depends on the past. Eight bets, geometric,
    up to .9 of the largest admissible, from a hundredth of that; from lower where the best bet on the smallest harm that n units
    can show, sqrt(2 log A / (n Var z)) with log A = 10 (Kelly), is less. Exact when assignment is a fresh, independent coin
    per unit that the past does not depend on.
    Source: Waudby-Smith and Ramdas 2024, JRSS-B (betting); inverse-propensity scores after Horvitz and Thompson 1952.
    """
    m = np.clip(centre, 0.0, 1.0)
    higher = np.maximum((1.0 - m) / share, m / (1.0 - share))
    lower = np.maximum(m / share, (1.0 - m) / (1.0 - share))
    worst = np.where(good > 0, higher, lower) + margin
    top = _TOP / np.maximum(worst, 1e-12)
    smallest = np.full(watches, _SMALLEST)
    if units is not None:
        spread = np.maximum(units, 1.0) * m * (1.0 - m) / (share * (1.0 - share))
        smallest = np.clip(np.sqrt(2.0 * _LOG_BOUND / np.maximum(spread, 1e-12)) / top, _LEAST, _SMALLEST)
    bets = np.geomspace(smallest, 1.0, BETS, axis=-1) * top[:, None]
    w = entries.watch
    weight = np.where(entries.exposed, 1.0 / share[w], -1.0 / (1.0 - share[w]))
    u = -(good[w] * (entries.value - m[w]) * weight + margin[w])
    terms = entries.count[:, None] * np.log1p(bets[w] * u[:, None])
    return sum_by_watch(terms, w, watches)


def log_increments_worse(
    entries: Entries,
    watches: int,
    share: Floats,
    centre: Floats,
    margin: Floats,
    good: Floats,
    units: Floats | None = None,
) -> Floats:
    """The mirror: against "exposed is still worse than holdout by more than `margin`", shape (W, BETS)."""
    return log_increments(entries, watches, share, centre, -margin, -good, units)


def sum_by_watch(terms: Floats, watch: npt.NDArray[np.intp], watches: int) -> Floats:
    """Sums of rows of `terms` (E, G) by watch (ascending), shape (W, G); each watch's sum depends on its own rows alone."""
    result = np.zeros((watches, terms.shape[1]))
    if len(watch):
        starts = np.flatnonzero(np.concatenate([np.ones(1, np.bool_), watch[1:] != watch[:-1]]))
        result[watch[starts]] = np.add.reduceat(terms, starts, axis=0)
    return result
