"""How far the exposed lie from the holdout, and how far that gap has moved since before watching began: from sums over people.

Neither is adjusted for what people did before: the exposed were exposed then too, so an adjustment would take part of the gap
away with the noise. The change of the gap is the difference of differences, of the same people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.cohort_sticky import moments
from detectors.cohort_sticky.moments import PAIRS, PRE_N, PRE_SUM, SEEN, SIZE, SUM, N
from detectors.columns import Bools, Floats


@dataclass(frozen=True)
class Gap:
    """An estimate for W watches and its standard error over people, (W,) each; the error is infinite where it is not known."""

    estimate: Floats
    se: Floats


@dataclass(frozen=True)
class Gaps:
    """Exposed minus holdout, per prediction.

    level, change   since watching began; less the same from before.
    means, former   (W, 2) value per prediction, exposed and holdout: since watching began, and before.
    units           (W, 2) people seen since watching began.
    """

    level: Gap
    change: Gap
    means: Floats
    former: Floats
    units: Floats


def of(totals: Floats) -> Gaps:
    """Of sums (W, 2, WIDTH) of `detectors.cohort_sticky.moments`.

    A ratio of sums is linear in people up to terms that vanish: the person's part of sum / n is (value - ratio n) / n. Its
    squares are added over people. Source: Deng, Knoblich and Lu 2018 (the delta method), KDD, section 3.
    """
    second = moments.products(totals)
    first = second[..., SEEN, :]
    now, then = _ratio(first, SUM, N), _ratio(first, PRE_SUM, PRE_N)
    part_now, part_then = _part(first, now, SUM, N), _part(first, then, PRE_SUM, PRE_N)
    came, came_before = (np.asarray(first[..., n].min(axis=1) > 0) for n in (N, PRE_N))
    apart = now[:, 0] - now[:, 1]
    return Gaps(
        level=Gap(apart, _error(second, part_now, came)),
        change=Gap(apart - (then[:, 0] - then[:, 1]), _error(second, part_now - part_then, came & came_before)),
        means=now,
        former=then,
        units=totals[..., PAIRS],
    )


def _ratio(first: Floats, total: int, n: int) -> Floats:
    ratio: Floats = first[..., total] / np.maximum(first[..., n], 1.0)
    return ratio


def _part(first: Floats, ratio: Floats, total: int, n: int) -> Floats:
    """(W, 2, SIZE): what a person's vector is multiplied with to give their part of the ratio, less the ratio."""
    part = np.zeros((*ratio.shape, SIZE))
    size = np.maximum(first[..., n], 1.0)
    part[..., total], part[..., n] = 1.0 / size, -ratio / size
    return part


def _error(second: Floats, part: Floats, known: Bools) -> Floats:
    """Standard error of the difference of both cohorts; the larger of that with each cohort's own variance and with one for
    both: in a small cohort to whose people nothing rare has happened yet, nothing seems to vary."""
    people = np.maximum(second[..., SEEN, SEEN], 1.0)
    squares = np.maximum(np.einsum("wci,wcij,wcj->wc", part, second, part), 0.0)
    one = (squares * people**2).sum(axis=1) / np.maximum(people.sum(axis=1) - 2.0, 1.0)
    variance = np.maximum(squares.sum(axis=1), one * (1.0 / people).sum(axis=1))
    return np.where(known & (variance > 0), np.sqrt(variance), np.inf)
