"""What a watch of freshness remembers, and what a window brings it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats, Ints
from detectors.evidence import Mode
from detectors.math import season

LEARNING, WATCHING, RECOVERING = 0, 1, 2
MODES = (Mode.LEARNING, Mode.WATCHING, Mode.RECOVERING)
WARN, PAGE = 1, 2
MINUTE = 60_000.0


@dataclass(frozen=True)
class FreshnessState:
    """W watches. Everything called held is of the silence that lasts, and is learned only if it ends without an alarm.

    mode, level             (W,): learning, watching, recovering; bound crossed by the open alert: 0 none, 1 warn, 2 page.
    windows, records        (W,): learned so far.
    rates, dispersion       what is expected, and how far counts scatter around it; see `detectors.math.season`.
    expected, first         (W,): expected records since the last arrival, and in the first empty window.
    silent_since            (W,): start of the first empty window, arrival time ms; -1 while records come.
    bar_warn, bar_page      (W,): the largest log(1 / spend) since then.
    held                    (W, HOURS) minutes; held_squares, held_predicted (W,): dispersion.
    opened_since            (W,): `silent_since` of the open alert, -1 if there is none.
    returned                (W,): windows in a row with records since the alarm; returned_records, returned_expected: in them.
    """

    mode: npt.NDArray[np.int8]
    level: npt.NDArray[np.int8]
    windows: Ints
    records: Ints
    rates: season.Rates
    dispersion: season.Dispersion
    expected: Floats
    first: Floats
    silent_since: Ints
    bar_warn: Floats
    bar_page: Floats
    held: Floats
    held_squares: Floats
    held_predicted: Floats
    opened_since: Ints
    returned: Ints
    returned_records: Floats
    returned_expected: Floats


@dataclass(frozen=True)
class Window:
    """What a window brought, each (W,): records, minutes, likely and least expected records, whether its hour is known."""

    records: Ints
    minutes: Floats
    likely: Floats
    least: Floats
    known: Bools
    live: Bools


def bar(spend: Floats) -> Floats:
    """What E / phi must reach: log(1 / spend); 0 where nothing may be spent."""
    return np.where(spend > 0, -np.log(np.where(spend > 0, spend, 1.0)), 0.0)
