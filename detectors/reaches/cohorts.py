"""The reach of comparisons of exposed and held-out people beside `cohort_bounded` (see `detectors.cohort_reach`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from detectors import cohort_reach
from detectors.cohort_bounded import CohortBoundedParams
from detectors.cohort_by_group import CohortByGroupParams
from detectors.cohort_by_group.tallies import GROUPS
from detectors.cohort_quantile import CohortQuantileParams
from detectors.cohort_quantile.state import BETS, CUTS, QUANTILES
from detectors.cohort_rate import CohortRateParams
from detectors.cohort_reach import UNKNOWN_MEAN, chances
from detectors.cohort_sticky import CohortStickyParams
from detectors.cohort_sticky.state import SCALES
from detectors.columns import Floats
from detectors.increments import ipw, mixture, rates, ratio
from detectors.power import Outlook, Reach, delay, smallest, walk_of
from detectors.sample_ratio import loss_delay
from detectors.sample_ratio_by_group import SampleRatioByGroupParams
from detectors.sample_ratio_by_group import state as splits
from detectors.split import BETS as SPLIT_BETS
from detectors.split import SHIFTS

NOBODY = "no new unit is counted"
GROUP = 0.1
"""Part of all people in the group that the reach of a watch by group is told for."""

_LARGEST_RISE = 20.0
_USUAL = 1.0 - np.array(QUANTILES)


def cohort_bounded(p: CohortBoundedParams, outlook: Outlook) -> Reach:
    """The smallest harm found in time."""
    events = p.learn_events / outlook.mean if outlook.mean else 0.0
    plan = cohort_reach.Plan(p.holdout_share, p.page_if_worse_by, p.better)
    return cohort_reach.reach(plan, outlook, max(p.learn_units, events, p.min_holdout / p.holdout_share))


def cohort_by_group(p: CohortByGroupParams, outlook: Outlook) -> Reach:
    """The smallest harm to a group of a tenth of people, whose mean is that of all."""
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    if outlook.mean is None or not 0.0 < outlook.mean < 1.0:
        return Reach(unknown=UNKNOWN_MEAN)
    mean = outlook.mean
    largest = 1.0 if p.better == "higher" else min(1.0 / mean - 1.0, _LARGEST_RISE)
    harm = float("inf")
    if largest > p.page_if_worse_by:
        harm = smallest(lambda x: group_delay(x, GROUP, p, outlook), outlook.windows, p.page_if_worse_by, largest)
    fall = "fall" if p.better == "higher" else "rise"
    return Reach(
        effect=harm * mean,
        relative=harm,
        unit="per unit",
        learning=max(p.learn_units, p.min_holdout / p.holdout_share / GROUP) / outlook.units,
        counted=_arms(outlook, p.holdout_share),
        words=f"a {fall} by {100 * harm:.2g} % in a group with a tenth of people",
    )


def sample_ratio_by_group(p: SampleRatioByGroupParams, outlook: Outlook) -> Reach:
    """The smallest loss of held-out units in a group of a tenth of people."""
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    group = replace(outlook, units=outlook.units * GROUP)
    weights = np.full(len(SHIFTS), -np.log(splits.GROUPS * SPLIT_BETS))
    lost = smallest(lambda part: loss_delay(part, p, group, weights), outlook.windows, 0.0, 0.999)
    return Reach(
        effect=lost * p.holdout_share,
        relative=lost,
        unit="share of units",
        counted=_arms(group, p.holdout_share),
        words=f"a loss of {100 * lost:.2g} % of the holdout in a group with a tenth of people",
    )


def group_delay(harm: float, part: float, p: CohortByGroupParams, outlook: Outlook) -> float:
    """Windows until a relative harm is found that meets a group with that part of all units. Values are 0 or 1."""
    share, mean = 1.0 - p.holdout_share, outlook.mean or np.nan
    side = -1.0 if p.better == "higher" else 1.0
    four = np.ones(4)
    increments = ratio.log_increments(
        ipw.Entries(np.arange(4), np.array([1.0, 0.0, 1.0, 0.0]), np.array([True, True, False, False]), four),
        4,
        share=share * four,
        centre=mean * four,
        ratio=max(1.0 + side * p.page_if_worse_by, 1e-3) * four,
        allowance=0.0 * four,
        side=side * four,
    )
    worse = min(max(mean * (1.0 + side * harm), 0.0), 1.0)
    walk = walk_of(increments, chances(share, worse, mean), chances(share, mean, mean))
    weights = np.full(ratio.BETS, -np.log(GROUPS * ratio.BETS))
    return delay(walk.over(outlook.units * part), weights, outlook)


def cohort_rate(p: CohortRateParams, outlook: Outlook) -> Reach:
    """The smallest rise (or fall, where higher is better) of the exposed rate beside the holdout's."""
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    if outlook.mean is None or not 0.0 < outlook.mean < 1.0:
        return Reach(unknown=UNKNOWN_MEAN)
    largest = 0.999 if p.better == "higher" else min(1.0 / outlook.mean - 1.0, _LARGEST_RISE)
    harm = smallest(lambda x: rate_delay(x, p, outlook), outlook.windows, 0.0, largest)
    return Reach(
        effect=harm * outlook.mean,
        relative=harm,
        unit="share of units",
        counted=_arms(outlook, p.holdout_share),
    )


def rate_delay(harm: float, p: CohortRateParams, outlook: Outlook) -> float:
    """Windows until it is found that the exposed rate is off by that part of the holdout's. Only those it happens to tell."""
    share, mean = 1.0 - p.holdout_share, outlook.mean or np.nan
    side, three = 1.0 if p.better == "lower" else -1.0, np.ones(3)
    increments = rates.log_increments(
        np.array([1.0, 0.0, 0.0]),
        np.array([1.0, 1.0, 0.0]),
        share * three,
        float(np.log1p(p.page_if_worse_by)) * three,
        side * three,
    )

    def of(exposed: float) -> Floats:
        hits = np.array([share * exposed, p.holdout_share * mean])
        return np.append(hits, 1.0 - hits.sum())

    walk = walk_of(increments, of(min(mean * (1.0 + side * harm), 1.0)), of(mean))
    return delay(walk.over(outlook.units), np.full(rates.BETS, -np.log(rates.BETS)), outlook)


def cohort_quantile(p: CohortQuantileParams, outlook: Outlook) -> Reach:
    """The smallest part of the exposed that must go to the bad end of all values. Nothing need be known of them."""
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    part = smallest(lambda x: tail_delay(x, p, outlook), outlook.windows, 0.0, 1.0)
    where = "beyond their usual 99th percentile" if p.better == "lower" else "below their usual median"
    return Reach(
        effect=part,
        unit="share of the exposed",
        learning=max(p.learn_units, p.min_holdout / p.holdout_share) / outlook.units,
        counted=_arms(outlook, p.holdout_share),
        words=f"{100 * part:.2g} % of the exposed going {where}",
    )


def tail_delay(part: float, p: CohortQuantileParams, outlook: Outlook) -> float:
    """Windows until it is found that a part of the exposed has gone to the bad end."""
    levels = -np.diff(np.concatenate([[1.0], _USUAL, [0.0]]))
    bad = np.zeros(CUTS + 1)
    bad[-1 if p.better == "lower" else 0] = 1.0
    share, good = 1.0 - p.holdout_share, 1.0 if p.better == "higher" else -1.0
    kinds = 2 * (CUTS + 1)
    beyond = np.arange(CUTS + 1)[:, None] > np.arange(CUTS)
    entries = ipw.Entries(
        np.arange(kinds * CUTS),
        np.tile(beyond.astype(np.float64), (2, 1)).ravel(),
        np.repeat([True, False], (CUTS + 1) * CUTS),
        np.ones(kinds * CUTS),
    )
    usual, every = np.tile(_USUAL, kinds), np.ones(kinds * CUTS)
    increments = ipw.log_increments(
        entries, kinds * CUTS, share * every, usual, p.page_if_worse_by * usual, good * every
    ).reshape(kinds, BETS)

    def of(moved: float) -> Floats:
        return np.concatenate([share * ((1.0 - moved) * levels + moved * bad), (1.0 - share) * levels])

    return delay(walk_of(increments, of(part), of(0.0)).over(outlook.units), np.full(BETS, -np.log(BETS)), outlook)


def cohort_sticky(p: CohortStickyParams, outlook: Outlook) -> Reach:
    """The smallest lasting harm that people as many as have come, who differ as they do, show by then."""
    try:
        error, margin, usual = (float(outlook.known[name]) for name in ("standard_error", "margin", "baseline"))
    except (KeyError, TypeError):
        return Reach(
            unknown="told once people have come back, and it is seen how much they differ",
            learning=p.learn_days * 86_400_000 / outlook.window,
        )
    if not 0.0 < margin < np.inf or error <= 0:
        return Reach(unknown=UNKNOWN_MEAN)
    harm = margin + shown_beyond(error, margin, outlook)
    return Reach(
        effect=harm,
        relative=harm / usual if usual else None,
        unit="per prediction",
        learning=p.learn_days * 86_400_000 / outlook.window,
        counted=(("people", outlook.units * outlook.windows),),
        of="people",
    )


def shown_beyond(error: float, margin: float, outlook: Outlook) -> float:
    """How far beyond the margin a lasting harm must lie, with that standard error of its estimate, to be found with the chance."""
    stake = np.log(outlook.spend) - np.log(len(SCALES))
    tau = margin * SCALES[None]

    def enough(estimate: float) -> bool:
        log_e = mixture.log_evidence(np.array([estimate]), np.array([error]), tau)[0]
        return bool(np.logaddexp.reduce(log_e) + stake >= 0)

    low, high = 0.0, error
    while not enough(high):
        high *= 2.0
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high + float(ndtri(outlook.chance)) * error


def _arms(outlook: Outlook, holdout: float) -> tuple[tuple[str, float], ...]:
    units = outlook.units * outlook.windows
    return ("exposed", units * (1.0 - holdout)), ("holdout", units * holdout)
