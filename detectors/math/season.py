"""How many records a minute brings at which hour of the week, and how far counts scatter around that.

Rates are kept for the 168 hours of the week (UTC). An hour of the day is the sum over its seven. All arrays lead with W.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats, Ints

HOURS = 168
SEEN = 30.0
"""Minutes of an hour that must have been seen before its rate is used."""

_HOUR_MS = 3_600_000
_ERRORS = 2.0
_NEIGHBOURS = np.array([-1, 0, 1])


@dataclass(frozen=True)
class Rates:
    """Records and minutes seen in each hour of the week, both (W, HOURS); older weeks fade."""

    records: Floats
    minutes: Floats


@dataclass(frozen=True)
class Dispersion:
    """Each (W,): sums of squared deviations and of predicted counts; silences that ended, and what they missed in all."""

    squares: Floats
    predicted: Floats
    silences: Floats
    excess: Floats


def no_rates(watches: int) -> Rates:
    """Nothing seen."""
    return Rates(np.zeros((watches, HOURS)), np.zeros((watches, HOURS)))


def no_dispersion(watches: int) -> Dispersion:
    """Nothing seen."""
    return Dispersion(np.zeros(watches), np.zeros(watches), np.zeros(watches), np.zeros(watches))


def hour_of_week(at: Ints) -> npt.NDArray[np.intp]:
    """Hour of the week in 0 .. 167 of times in ms since the epoch; 0 is Thursday 00:00 UTC."""
    return np.asarray((at // _HOUR_MS) % HOURS, np.intp)


def add(rates: Rates, hour: npt.NDArray[np.intp], records: Floats, minutes: Floats, memory: Floats) -> Rates:
    """`records` and `minutes` (W,) more in one hour of the week; an hour remembers at most `memory` (W,) minutes."""
    rows = np.arange(len(hour))
    added = Rates(rates.records.copy(), rates.minutes.copy())
    added.records[rows, hour] += records
    added.minutes[rows, hour] += minutes
    return _fade(added, memory)


def add_minutes(rates: Rates, minutes: Floats, memory: Floats) -> Rates:
    """Minutes (W, HOURS) more in which nothing came."""
    return _fade(replace(rates, minutes=rates.minutes + minutes), memory)


def _fade(rates: Rates, memory: Floats) -> Rates:
    full = rates.minutes > memory[:, None]
    kept = np.where(full, memory[:, None] / np.maximum(rates.minutes, 1.0), 1.0)
    return Rates(rates.records * kept, np.where(full, memory[:, None], rates.minutes))


def expect(rates: Rates, at: Ints, overdispersion: Floats) -> tuple[Floats, Floats, Bools]:
    """Likely and least records a minute at time `at` (W,), and whether the hour of the day was seen; 0 where not.

    Likely is the rate of the hour of the week once that was seen, else of the hour of the day. Least is the lowest rate of
    both, for this hour and its two neighbours, less two standard errors: half-open hours, a clock that is put back and a
    weekend then make no silence.
    """
    rows, around = np.arange(len(at))[:, None], hour_of_week(at)[:, None] + _NEIGHBOURS
    week = Rates(rates.records[rows, around % HOURS], rates.minutes[rows, around % HOURS])
    day = Rates(_of_day(rates.records)[rows, around % 24], _of_day(rates.minutes)[rows, around % 24])
    rate, minutes = (np.stack(each) for each in ((_rate(week), _rate(day)), (week.minutes, day.minutes)))
    low = np.maximum(rate - _ERRORS * np.sqrt(overdispersion[:, None] * rate / np.maximum(minutes, 1.0)), 0.0)
    least = np.where(minutes >= SEEN, low, np.inf).min(axis=(0, 2))
    week_seen, known = minutes[:, :, 1] >= SEEN
    likely = np.where(week_seen, *rate[:, :, 1])
    return np.where(known, likely, 0.0), np.where(known, least, 0.0), known


def _of_day(values: Floats) -> Floats:
    """Sums over the days of the week, (W, 24)."""
    sums: Floats = values.reshape(-1, 7, 24).sum(axis=1)
    return sums


def _rate(rates: Rates) -> Floats:
    return np.where(rates.minutes > 0, rates.records / np.maximum(rates.minutes, 1e-9), 0.0)


def scatter(
    d: Dispersion, *, squares: Floats, predicted: Floats, silences: Floats, excess: Floats, keep: Floats
) -> Dispersion:
    """All sums fade by `keep` in [0, 1] and grow by the rest, each (W,)."""
    return Dispersion(
        d.squares * keep + squares,
        d.predicted * keep + predicted,
        d.silences * keep + silences,
        d.excess * keep + excess,
    )


def overdispersion(d: Dispersion) -> Floats:
    """The larger of Pearson's dispersion of the counts and the mean silence (in expected records after the first window); >= 1."""
    pearson = np.maximum(d.squares / np.maximum(d.predicted, 1e-9), 1.0)
    pearson = np.where(d.predicted > 0, pearson, 1.0)
    return np.maximum(pearson, (d.excess + pearson) / (d.silences + 1.0))
