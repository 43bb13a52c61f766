"""I7: fair random signs that were drawn on purpose, against "they make no difference"."""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats

_STRENGTHS = np.array([0.15, 0.3, 0.6, 1.2, 2.4]) / np.sqrt(3.0)
BETS = 2 * len(_STRENGTHS)


def log_increments(response: Floats, sign: Floats, weight: Floats, first_squares: float) -> Floats:
    """Log e-increments of one period, shape (BETS,): lam S - lam^2 Q / 2, S = sum w s u, Q = sum w^2 u^2.

    response       (P,) what was measured of each pair; under the null it does not depend on the pair's sign.
    sign           (P,) +1 or -1, drawn by a fair coin, independently, after everything that `weight` rests on.
    weight         (P,) non-negative, fixed before the signs were drawn.
    first_squares  Q of the first period, > 0: it only scales the bets, five in each direction. Under the null |u| does not
                   depend on the signs, so even the first period itself may give it.

    Exact: given |u|, E exp(lam w s u) = cosh(lam w u) <= exp(lam^2 w^2 u^2 / 2).
    Source: Hoeffding 1963; Howard, Ramdas, McAuliffe and Sekhon 2020, Probability Surveys (symmetric observations).
    """
    pushed = weight * response
    return from_sums(np.asarray(np.sum(pushed * sign)), np.asarray(np.sum(pushed**2)), np.asarray(first_squares))


def from_sums(signed: Floats, squares: Floats, first_squares: Floats) -> Floats:
    """The same from S, Q and the first period's Q, all of one shape: log e-increments (..., BETS)."""
    strengths = np.concatenate([_STRENGTHS, -_STRENGTHS]) / np.sqrt(first_squares)[..., None]
    increments: Floats = strengths * signed[..., None] - strengths**2 * squares[..., None] / 2.0
    return increments
