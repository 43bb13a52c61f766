"""I1 over a table of shares: bets that none of them lies outside its bounds, in both directions.

A window gives K shares (of votes at or below a cut, of votes for a category, of votes without a value): they need not add up
to anything. With 2 directions and 4 sizes of shift there are 8 K bets, in the order (share, side, alternative); side 0 bets
that the share rose, side 1 that it fell. An average of them is valid against "every share is within its bounds".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Bools, Floats, Ints
from detectors.increments import bernoulli

ALTERNATIVES = np.array([0.02, 0.04, 0.08, 0.16])
SIDES = 2
BETS_A_SHARE = SIDES * len(ALTERNATIVES)

EDGE = 0.005
"""A bound closer than this to 0 or 1 leaves no room to bet on, and is dropped."""

_REST = 0.25


@dataclass(frozen=True)
class Bounds:
    """What may be bet on, shapes (W, K, SIDES).

    null   the largest (side 0) or smallest (side 1) share that the null allows; kept: there is room for an alternative
    between it and the edge it is bet towards.
    """

    null: Floats
    kept: Bools


def bounds(low: Floats, high: Floats, used: Bools) -> Bounds:
    """Shares allowed between `low` and `high`, each (W, K); those that are not `used` (W, K) are dropped."""
    kept = np.stack([high < 1.0 - EDGE, low > EDGE], axis=-1) & used[..., None]
    return Bounds(np.where(kept, np.stack([high, low], axis=-1), 0.5), kept)


def log_weights(kept: Bools) -> Floats:
    """Uniform over the bets that are kept, -inf for the others; shape (W, 8 K)."""
    flat = np.repeat(kept.reshape(len(kept), -1), len(ALTERNATIVES), axis=1)
    with np.errstate(divide="ignore"):
        return np.where(flat, -np.log(np.maximum(flat.sum(axis=1), 1))[:, None], -np.inf)


def against(b: Bounds, yes: Floats, n: Floats) -> Floats:
    """Log e-increments against "within the bounds": `yes` (W, K) votes for each share, of `n` (W,) or (W, K).

    Shape (W, 8 K); -inf for bets that are not kept. See `increments.bernoulli`: exact whatever a unit's rows have in
    common, for units that are independent given the past.
    """
    null = b.null[..., None]
    away = np.array([1.0, -1.0])[:, None]
    room = np.stack([1.0 - b.null[..., 0], b.null[..., 1]], axis=-1)[..., None]
    alternative = null + away * np.minimum(ALTERNATIVES, (1.0 - _REST) * room)
    log_l = bernoulli.log_increments(yes[:, :, None, None], _by_share(n)[..., None, None], null, alternative)
    return np.where(b.kept[..., None], log_l, -np.inf).reshape(len(yes), -1)


def against_still_there(b: Bounds, pair: Ints, yes: Floats, n: Floats) -> Floats:
    """Log e-increments against "on this side this share is still outside its bound", shape (W, 8 K).

    pair   (W,) index share x SIDES + side. Only the four sizes matter: every pair carries the same four bets.
    """
    row = np.arange(len(yes))
    share, side = pair // SIDES, pair % SIDES
    null = b.null[row, share, side][:, None]
    back = np.where(side == 0, -1.0, 1.0)[:, None]
    room = np.where(back < 0, null, 1.0 - null)
    alternative = null + back * np.minimum(ALTERNATIVES, (1.0 - _REST) * room)
    of = np.broadcast_to(_by_share(n), yes.shape)[row, share]
    log_l = bernoulli.log_increments(yes[row, share][:, None], of[:, None], null, alternative)
    return np.tile(log_l, (1, yes.shape[1] * SIDES))


def worst(reference: Floats, now: Floats, kept: Bools) -> Ints:
    """The pair that has moved most towards where it is bet on, (W,), from shares (W, K)."""
    moved = np.stack([now - reference, reference - now], axis=-1)
    result: Ints = np.argmax(np.where(kept, moved, -np.inf).reshape(len(now), -1), axis=1)
    return result


def _by_share(n: Floats) -> Floats:
    return n if n.ndim > 1 else n[:, None]
