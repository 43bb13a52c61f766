"""Have the shares of K cells left their reference by more than a tolerated difference?

A cell is something that a unit's vote is partly or wholly for: a category, a field that is missing. First the reference is
measured by votes; then it is frozen, and every share is bet on in both directions (`increments.shares`).

Null: every share is within `margin` of where the reference says that it lies; the reference's own error, at level .001 over
all cells, is granted on top. Exact for votes that are independent given the past.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors import engine, views
from detectors.columns import Bools, Floats, Ints
from detectors.detector import Tick
from detectors.increments import shares
from detectors.math import dyadic
from detectors.math.intervals import bounded_mean_bounds, normal_mixture_radius
from detectors.views import LEVEL, Views

REFERENCE_LEVEL = 0.001
"""Chance that some share of the reference is further from the truth than it is given credit for."""

_CRITICAL = 3.0


@dataclass(frozen=True)
class ShareWatch:
    """W watches of K cells. A tally is K + 1 sums: votes for each cell, and the number of votes (the units).

    reference           (W, K + 1) and reference_windows (W,): what the learning windows saw; frozen when watching begins.
    total, fresh        (W, K + 1) since watching began or evidence was thrown away; since the open alert began.
    spans               tallies of the last windows.
    worst               (W,) the pair (cell x SIDES + side) that was worst when the open alert began.
    """

    bank: engine.Bank
    spans: dyadic.Spans
    reference: Floats
    reference_windows: Ints
    total: Floats
    fresh: Floats
    worst: Ints


@dataclass(frozen=True)
class Learning:
    """When the reference is complete, each (W,): votes, and windows that brought some."""

    units: Floats
    windows: Floats


@dataclass(frozen=True)
class Shown(Views):
    """Tallies (W, K + 1) that a figure may be taken from. low, high   (W, K) what the null allows."""

    window: Floats
    low: Floats
    high: Floats


def start(watches: int, cells: int) -> ShareWatch:
    """Nothing seen: learning."""
    zeros = np.zeros((watches, cells + 1))
    return ShareWatch(
        bank=engine.start(watches, cells * shares.BETS_A_SHARE),
        spans=dyadic.start(watches, cells + 1),
        reference=zeros,
        reference_windows=np.zeros(watches, np.int64),
        total=zeros.copy(),
        fresh=zeros.copy(),
        worst=np.zeros(watches, np.int64),
    )


def shares_of(tally: Floats) -> Floats:
    """Part of the votes for each cell, (W, K); 0 where nobody voted."""
    result: Floats = np.minimum(tally[:, :-1] / np.maximum(tally[:, -1:], 1.0), 1.0)
    return result


def reference_bounds(reference: Floats) -> tuple[Floats, Floats]:
    """Where the reference's shares lie, at level .001 over all cells: (low, high), each (W, K)."""
    cells = reference.shape[1] - 1
    return bounded_mean_bounds(shares_of(reference), reference[:, -1:], REFERENCE_LEVEL / cells)


def close(
    s: ShareWatch, window: Floats, margin: Floats, used: Bools, learning: Learning, tick: Tick
) -> tuple[ShareWatch, engine.Verdict, Shown]:
    """One window for all W watches.

    window   (W, K + 1) the window's tally; 0 where the cells are not yet known.
    margin   (W, K) tolerated difference of each share; used (W, K): cells that exist.
    """
    live = ~tick.gated
    informative = window[:, -1] > 0
    watching = s.bank.mode != engine.LEARNING
    reference = shares_of(s.reference)
    low, high = reference_bounds(s.reference)
    tested = shares.bounds(low - margin, high + margin, used)
    critical = shares.bounds(low - _CRITICAL * margin, high + _CRITICAL * margin, used)
    yes, n = window[:, :-1], window[:, -1]
    increments = engine.Increments(
        null=shares.against(tested, yes, n),
        critical=shares.against(critical, yes, n),
        worse=shares.against_still_there(tested, s.worst, yes, n),
    )
    spans = dyadic.push(s.spans, window, live & informative & watching)
    weights = shares.log_weights(tested.kept)
    inside = _inside(s, spans, weights, margin, tested)
    bank, verdict = engine.advance(s.bank, increments, weights, tick, informative, inside)
    seen = views.of(s, spans, window, live & watching, verdict)
    after = replace(
        s,
        bank=bank,
        **views.kept(seen, spans, verdict),
        worst=np.where(verdict.opened, shares.worst(reference, shares_of(seen.recent), tested.kept), s.worst),
    )
    shown = Shown(seen.total, seen.recent, seen.offered, seen.fresh, window, low - margin, high + margin)
    return _learn(after, window, learning, live & ~watching, tick), verdict, shown


def radius(tally: Floats, margin: Floats, alpha: Floats) -> Floats:
    """Half-width, at every look and for all cells at once, of each share in `tally` (W, K + 1); (W, K), at error `alpha` (W,).

    Asymptotic: a vote's variance is at most p (1 - p), taken at p with half a vote added to both sides.
    """
    return normal_mixture_radius(standard_error(tally), margin, alpha[:, None] / (tally.shape[1] - 1))


def error_of_change(tally: Floats, reference: Floats) -> Floats:
    """Standard error of how far each share in `tally` lies from that of `reference`, both (W, K + 1), at most; (W, K).

    A running mean less one that was measured before wanders as a running mean of that variance does, so a confidence sequence
    may be computed from it (`math.intervals.normal_mixture_radius`).
    """
    result: Floats = np.hypot(standard_error(tally), standard_error(reference))
    return result


def standard_error(tally: Floats) -> Floats:
    """Of each share in `tally` (W, K + 1), at most; (W, K). Infinite without votes."""
    n = tally[:, -1:]
    smooth = (tally[:, :-1] + 0.5) / (n + 1.0)
    result: Floats = np.where(n > 0, np.sqrt(smooth * (1.0 - smooth) / np.maximum(n, 1.0)), np.inf)
    return result


def _inside(s: ShareWatch, spans: dyadic.Spans, log_weights: Floats, margin: Floats, tested: shares.Bounds) -> Bools:
    """Whether every share that is bet on lies, with its interval, inside its bounds since recovery most likely began, (W,)."""
    row, best = np.arange(len(margin)), np.argmax(s.bank.recovery + log_weights, axis=1)
    calm, _, offered = dyadic.at_least(spans, np.maximum(s.bank.windows + 1 - s.bank.calm_window[row, best], 1))
    now, wide = shares_of(calm), radius(calm, margin, (1.0 - LEVEL) / offered)
    room = np.stack([tested.null[..., 0] - now, now - tested.null[..., 1]], axis=-1)
    inside: Bools = np.all((room > wide[..., None]) | ~tested.kept, axis=(1, 2))
    return inside


def _learn(s: ShareWatch, window: Floats, learning: Learning, rows: Bools, tick: Tick) -> ShareWatch:
    reference = np.where(rows[:, None], s.reference + window, s.reference)
    windows = s.reference_windows + (rows & (window[:, -1] > 0))
    ready = rows & (reference[:, -1] >= learning.units) & (windows >= learning.windows)
    return replace(s, bank=engine.begin(s.bank, ready, tick.end), reference=reference, reference_windows=windows)
