"""I4: any statistic of a window: a difference of means, a ratio, a gap, a rate. Only its variance must be known, from above.

For every x, exp(x - x^2 / 6) <= 1 + x + x^2 / 3. So with z of mean at most 0 and variance at most kappa, given the past,
E exp(lam z - kappa lam^2 (z^2 + 2) / 6) <= 1: whatever the tails, the skew or the number of windows. What is assumed is the
variance, and that the past does not predict z. The variance is learned in weeks that were healthy; kappa >= 1 makes room for
values that go on from one window into the next, by which the cumulative sum varies more than its terms say. The promise is
therefore calibrated, not exact.

What stays the same for a day or a week is no noise about the null, it is a breach of it, though a small one: margins must be
at least `Calibration.smallest_margin`.

Source: Delyon 2009, "Exponential inequalities for sums of weakly dependent variables", EJP 14, Proposition 12; Howard, Ramdas,
McAuliffe and Sekhon 2020, "Time-uniform Chernoff bounds via nonnegative supermartingales", Probability Surveys 17, Lemma 3.

>>> import numpy as np
>>> rng = np.random.default_rng(4)
>>> learned = calibrate(rng.normal(0.0, 2.0, (28 * 288, 1)), windows_per_day=288)
>>> z = standardised(rng.normal(1.0, 2.0, (200, 1)), np.zeros(1), learned.s)      # a shift of half a block's deviation
>>> evidence = sum(log_increments(row, learned.kappa) for row in z)
>>> bool(evidence.max() > 12), bool(abs(learned.s[0] - 2.0) < 0.1), bool(learned.kappa[0] < 2.0)
(True, True, True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats
from detectors.math import scales
from detectors.math.scales import Scales

BETS = 5
"""Bets on one side."""

SLOW_MARGIN = 3.0
"""Deviations of what is slow that a margin must cover."""

_LAMBDAS = np.array([0.05, 0.1, 0.2, 0.4, 0.8])


@dataclass(frozen=True)
class Calibration:
    """What healthy weeks taught about W series, each (W,).

    mean    their mean.
    s       standard deviation of one block, in the series' unit.
    kappa   how much more the sum of many blocks varies than blocks that know nothing of each other would; >= 1.
    slow    standard deviation, about the null's centre, of what stays the same all day; in the series' unit.
    """

    mean: Floats
    s: Floats
    kappa: Floats
    slow: Floats

    def smallest_margin(self) -> Floats:
        """The least margin whose promise can be kept, (W,), in the series' unit."""
        return SLOW_MARGIN * self.slow


def calibrate(blocks: Floats, windows_per_day: int, centre: Floats | float | None = None) -> Calibration:
    """Of blocks (T, W) in order of time, NaN where a window had no data; `windows_per_day` rows are a day.

    centre   (W,) or a number: where the null lies (0 for a difference of cohorts); None: at the mean of the blocks, for
             series whose null is "as in these weeks".
    """
    known = ~np.isnan(blocks)
    mean = np.where(known, blocks, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    origin = mean if centre is None else np.broadcast_to(np.asarray(centre, np.float64), mean.shape)
    seen = scales.start(blocks.shape[1])
    for row, values in enumerate(blocks):
        day = np.full(len(values), row // windows_per_day, np.int64)
        seen = scales.push(seen, np.where(known[row], values - origin, 0.0), day, known[row])
    return of_scales(scales.end_day(seen), origin)


def of_scales(seen: Scales, origin: Floats, *, own_mean: Bools | None = None) -> Calibration:
    """The same from moments that were gathered window by window, as deviations from `origin` (W,), where the null lies.

    own_mean   (W,) where the null lies at the series' own mean, which was not known when gathering began.
    """
    variance = scales.variance(seen)
    ratio = scales.long_run_variance(seen) / np.where(variance > 0, variance, 1.0)
    return Calibration(
        mean=origin + seen.mean[:, 0],
        s=np.sqrt(variance),
        kappa=np.maximum(ratio, 1.0),
        slow=np.sqrt(scales.slow_variance(seen, own_mean)),
    )


def standardised(blocks: Floats, bound: Floats, s: Floats) -> Floats:
    """(d - bound) / s, all shapes broadcast; 0 where s is 0: a series that never moved says nothing."""
    known = s > 0
    result: Floats = np.where(known, (blocks - bound) / np.where(known, s, 1.0), 0.0)
    return result


def log_increments(z: Floats, kappa: Floats) -> Floats:
    """Log e-increments against "the mean of z is at most 0", shape (W, BETS); z, kappa (W,), kappa >= 1.

    Negate z for the other side. Each bet cuts z off from above at 3 / (kappa lam), where it wins most: beyond, a larger z would
    count for less, and a total failure for nothing. Cutting off from above raises neither the mean nor the variance.
    """
    most = 3.0 / (np.maximum(kappa, 1.0)[:, None] * _LAMBDAS)
    told = np.minimum(z[:, None], most)
    increments: Floats = _LAMBDAS * told - kappa[:, None] * _LAMBDAS**2 * (told**2 + 2.0) / 6.0
    return increments


def log_increments_both(above: Floats, below: Floats, kappa: Floats) -> Floats:
    """Against "the mean lies between two bounds", shape (W, 2 BETS): `above` is z measured from the upper, `below` from the lower.

    Each half is an e-increment, so weights over all 2 BETS bets add up to 1.
    """
    return np.concatenate([log_increments(above, kappa), log_increments(-below, kappa)], axis=1)
