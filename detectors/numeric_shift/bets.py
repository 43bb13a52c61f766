"""Bets against "no cut's share has moved by more than the margin", at every cut, in both directions.

A boundary is a cut, or the one between present and missing (a missing value counts as larger than every number). Its share
is the part of the votes at or below it. At 20 boundaries, 2 directions and 4 sizes of shift there are 160 bets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats, Ints
from detectors.increments import bernoulli
from detectors.numeric_shift.reading import BINS

ALTERNATIVES = np.array([0.02, 0.04, 0.08, 0.16])
SIDES = 2
PAIRS = BINS * SIDES
BETS = PAIRS * len(ALTERNATIVES)
"""Bet (boundary, side, alternative) in that order; side 0: the share rose, side 1: it fell."""

_EDGE = 0.005
_REST = 0.25


@dataclass(frozen=True)
class Bounds:
    """What may be bet on, shapes (W, BINS, SIDES).

    null   the largest (side 0) or smallest (side 1) share that the margin allows; kept: strictly between .005 and .995
    on the side the bet goes to, so that an alternative fits between it and the edge.
    """

    null: Floats
    kept: Bools


def bounds(reference: Floats, margin: Floats, used: Bools) -> Bounds:
    """Reference shares (W, BINS) give or take `margin` (W,); boundaries that are not `used` (W, BINS) are dropped."""
    up, down = reference + margin[:, None], reference - margin[:, None]
    kept = np.stack([up < 1.0 - _EDGE, down > _EDGE], axis=-1) & used[..., None]
    return Bounds(np.where(kept, np.stack([up, down], axis=-1), 0.5), kept)


def log_weights(kept: Bools) -> Floats:
    """Uniform over the bets that are kept, -inf for the others; shape (W, BETS)."""
    flat = np.repeat(kept.reshape(len(kept), PAIRS), len(ALTERNATIVES), axis=1)
    with np.errstate(divide="ignore"):
        return np.where(flat, -np.log(np.maximum(flat.sum(axis=1), 1))[:, None], -np.inf)


def against(b: Bounds, yes: Floats, n: Floats) -> Floats:
    """Log e-increments against "within the bounds": `yes` (W, BINS) votes at or below each boundary, of `n` (W,).

    Shape (W, BETS); -inf for bets that are not kept. See `increments.bernoulli`: exact whatever a unit's rows have in
    common, for units that are independent given the past.
    """
    null = b.null[..., None]
    away = np.array([1.0, -1.0])[:, None]
    room = np.stack([1.0 - b.null[..., 0], b.null[..., 1]], axis=-1)[..., None]
    alternative = null + away * np.minimum(ALTERNATIVES, (1.0 - _REST) * room)
    log_l = bernoulli.log_increments(yes[:, :, None, None], n[:, None, None, None], null, alternative)
    return np.where(b.kept[..., None], log_l, -np.inf).reshape(len(n), BETS)


def against_still_there(b: Bounds, pair: Ints, yes: Floats, n: Floats) -> Floats:
    """Log e-increments against "at this boundary and side the share is still outside its bound", shape (W, BETS).

    pair   (W,) index boundary x SIDES + side. Only the four sizes matter: every pair carries the same four bets.
    """
    row = np.arange(len(n))
    boundary, side = pair // SIDES, pair % SIDES
    null = b.null[row, boundary, side][:, None]
    back = np.where(side == 0, -1.0, 1.0)[:, None]
    room = np.where(back < 0, null, 1.0 - null)
    alternative = null + back * np.minimum(ALTERNATIVES, (1.0 - _REST) * room)
    log_l = bernoulli.log_increments(yes[row, boundary][:, None], n[:, None], null, alternative)
    return np.tile(log_l, (1, PAIRS))
