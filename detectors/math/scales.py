"""The variance of a series at several time scales at once, in a few numbers a series: what a mean of many blocks is worth.

Of an autocorrelated series a mean over m values varies by more than the variance of one value over m. The *long-run variance*
is m times the variance of such means, taken at the scale where it is largest: an upper guess that needs no model.

Source: Glynn and Whitt 1991, "Estimating the asymptotic variance with batch means", Operations Research Letters 10.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.columns import Bools, Floats, Ints

LENGTHS = (1, 4, 16, 48)
"""Values in a group, for each scale; one more scale groups by day."""

SCALES = len(LENGTHS) + 1
GROUPS = 7
"""Groups that a scale needs before its variance is used: with fewer it says little."""

ABOVE = 1.1
"""Factor on the long-run variance: it is estimated, and too small a guess is what alarms falsely."""

_LENGTHS = np.array([*LENGTHS, np.iinfo(np.int64).max])
_DAY = SCALES - 1


@dataclass(frozen=True)
class Scales:
    """Moments of W series.

    part, size    (W, SCALES): sum and number of the values in the group that is being filled.
    day           (W,): the day being filled.
    groups        (W, SCALES): full groups; mean, squares: mean of their means, and sum of squared deviations from it.
    length        (W, SCALES): values in all full groups.
    about_null    (W,): sum over full days of the squared mean: the null's centre is the origin.
    """

    part: Floats
    size: Ints
    day: Ints
    groups: Ints
    mean: Floats
    squares: Floats
    length: Ints
    about_null: Floats


def start(series: int) -> Scales:
    """Nothing seen."""
    shape = (series, SCALES)
    return Scales(
        np.zeros(shape),
        np.zeros(shape, np.int64),
        np.full(series, -1, np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape, np.int64),
        np.zeros(series),
    )


def push(scales: Scales, values: Floats, day: Ints, active: Bools) -> Scales:
    """One more value (W,) of the series in `active` (W,), on day `day` (W,) counted from any origin, >= 0 and never falling.

    Values are measured from the null's centre. A day counts once the next one has begun; groups of other scales once full.
    """
    over = np.zeros(scales.size.shape, np.bool_)
    over[:, _DAY] = active & (day != scales.day) & (scales.size[:, _DAY] > 0)
    before = _close(scales, over)
    size = before.size + active[:, None]
    filled = replace(
        before,
        part=np.where(active[:, None], before.part + values[:, None], before.part),
        size=size,
        day=np.where(active, day, before.day),
    )
    return _close(filled, size >= _LENGTHS)


def end_day(s: Scales) -> Scales:
    """The day being filled is over, as no more values come."""
    ended = np.zeros(s.size.shape, np.bool_)
    ended[:, _DAY] = s.size[:, _DAY] > 0
    return _close(s, ended)


def _close(s: Scales, ended: Bools) -> Scales:
    """Groups in `ended` (W, SCALES) become one more mean each (Welford's update)."""
    mean = s.part / np.maximum(s.size, 1)
    groups = s.groups + ended
    delta = np.where(ended, mean - s.mean, 0.0)
    centre = s.mean + delta / np.maximum(groups, 1)
    return Scales(
        np.where(ended, 0.0, s.part),
        np.where(ended, 0, s.size),
        s.day,
        groups,
        centre,
        s.squares + delta * (mean - centre) * ended,
        s.length + np.where(ended, s.size, 0),
        s.about_null + np.where(ended[:, _DAY], mean[:, _DAY] ** 2, 0.0),
    )


def variance(s: Scales) -> Floats:
    """Of one value, (W,); 0 with fewer than two."""
    result: Floats = s.squares[:, 0] / np.maximum(s.groups[:, 0] - 1, 1)
    return result


def long_run_variance(s: Scales) -> Floats:
    """`ABOVE` times the largest of m times the variance of means of m values, over the scales with enough groups, (W,)."""
    length = s.length / np.maximum(s.groups, 1)
    scaled = length * s.squares / np.maximum(s.groups - 1, 1)
    usable = s.groups >= GROUPS
    usable[:, 0] = True
    result: Floats = ABOVE * np.max(np.where(usable, scaled, 0.0), axis=1)
    return result


def slow_variance(s: Scales, own_mean: Bools | None = None) -> Floats:
    """Variance about the null of what is the same all day long, (W,): day means squared, less what their values explain.

    The null is the origin; where `own_mean` (W,) it is the series' own mean. 0 with fewer than two full days: nothing is known.
    """
    days = s.groups[:, _DAY]
    length = s.length[:, _DAY] / np.maximum(days, 1)
    explained = variance(s) / np.maximum(length, 1.0)
    about = s.about_null / np.maximum(days, 1)
    if own_mean is not None:
        about = np.where(own_mean, s.squares[:, _DAY] / np.maximum(days - 1, 1), about)
    return np.where(days >= 2, np.maximum(about - explained, 0.0), 0.0)
