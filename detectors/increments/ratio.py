"""I3 and I6 with a relative margin: a value per unit in two randomised arms, against "at most so many times as high"."""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats
from detectors.increments.ipw import BETS as _GRID
from detectors.increments.ipw import Entries, sum_by_watch

BETS = 2 * _GRID
_TOP = 0.9


def log_increments(
    entries: Entries,
    watches: int,
    *,
    share: Floats,
    centre: Floats,
    ratio: Floats,
    allowance: Floats,
    side: Floats,
) -> Floats:
    """Log e-increments against "mean of the exposed arm <= `ratio` times that of the other + `allowance`", shape (W, BETS).

    share      (W,) probability of the exposed arm, in (0, 1), fixed by design.
    centre     (W,) predictable guess of the mean in [0, 1]; clipped. It only sharpens.
    ratio      (W,) > 0; allowance (W,): absolute, of any sign.
    side       (W,) +1 for the null above; -1 for its mirror, "exposed >= `ratio` times the other - `allowance`".

    With c the guess, u = side [(y - c)(A / pi - ratio (1 - A) / (1 - pi)) + c (1 - ratio)] - allowance has the mean
    side (mu_1 - ratio mu_0) - allowance, so prod(1 + lam u) is an e-value while 1 + lam u > 0: no baseline need be learned.
    Half the bets use c = 0. For yes and no they are the bets on the share of the exposed among units that said yes (given the
    rest, a coin of known bias), which allows stakes that are larger by about 1 / pi where the exposed arm is small and yes is
    rare; the other half use the guess. Exact under the conditions of I3.
    Source: Waudby-Smith and Ramdas 2024, JRSS-B; Lindon and Malek 2022, NeurIPS (conditioning on the total).
    """
    rare = _bets(entries, watches, share, np.zeros_like(share), ratio, allowance, side)
    usual = _bets(entries, watches, share, np.clip(centre, 0.0, 1.0), ratio, allowance, side)
    return np.concatenate([rare, usual], axis=1)


def _bets(
    entries: Entries, watches: int, share: Floats, centre: Floats, ratio: Floats, allowance: Floats, side: Floats
) -> Floats:
    one, other = 1.0 / share, -ratio / (1.0 - share)
    constant = side * centre * (1.0 - ratio) - allowance
    corners = np.stack([(y - centre) * arm for y in (0.0, 1.0) for arm in (one, other)])
    worst = -np.min(side * corners + constant, axis=0)
    bets = np.geomspace(0.01, 1.0, _GRID) * (_TOP / np.maximum(worst, 1e-9))[:, None]
    w = entries.watch
    u = side[w] * (entries.value - centre[w]) * np.where(entries.exposed, one[w], other[w]) + constant[w]
    return sum_by_watch(entries.count[:, None] * np.log1p(bets[w] * u[:, None]), w, watches)
