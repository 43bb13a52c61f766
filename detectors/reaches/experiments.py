"""The reach of comparisons that are made once: the smallest effect that is decided on in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import log_ndtr

from detectors.ab_test import AbTestParams
from detectors.canary import CanaryParams
from detectors.cohort_reach import UNKNOWN_MEAN, chances
from detectors.increments import ipw, ratio
from detectors.interleaving import STAKES, InterleavingParams
from detectors.power import Outlook, Reach, once_delay, passage, smallest, walk_of
from detectors.shadow import ShadowParams
from detectors.shadow.detector import BETS as SHADOW_BETS
from detectors.shadow.detector import bets as shadow_bets

NOBODY = "no new unit enters"
_LARGEST_RISE = 20.0


def canary(p: CanaryParams, outlook: Outlook) -> Reach:
    """The smallest harm beside the mean of control. Values are 0 or 1."""
    if unknown := _unknown(outlook):
        return Reach(unknown=unknown)
    mean, windows = outlook.mean or np.nan, _within(p.at_most, outlook)
    largest = 1.0 if p.better == "higher" else min(1.0 / mean - 1.0, _LARGEST_RISE)
    harm = smallest(lambda x: canary_delay(x, p, outlook), windows, 0.0, largest)
    moved = mean * (1.0 - harm if p.better == "higher" else 1.0 + harm)
    return Reach(
        effect=harm * mean,
        relative=harm,
        unit="share of units",
        counted=_arms(outlook, windows, p.treatment_share),
        of="people of both arms",
        words=f"{100 * moved:.2g} % in treatment beside {100 * mean:.2g} % in control",
    )


def canary_delay(harm: float, p: CanaryParams, outlook: Outlook) -> float:
    """Windows until a relative harm is decided on."""
    share, mean = p.treatment_share, outlook.mean or np.nan
    side, four = -1.0 if p.better == "higher" else 1.0, np.ones(4)
    increments = ratio.log_increments(
        ipw.Entries(np.arange(4), np.array([1.0, 0.0, 1.0, 0.0]), np.array([True, True, False, False]), four),
        4,
        share=share * four,
        centre=mean * four,
        ratio=max(1.0 + side * p.worse_by, 0.0) * four,
        allowance=p.allowance * four,
        side=side * four,
    )
    worse = min(max(mean * (1.0 + side * harm), 0.0), 1.0)
    walk = walk_of(increments, chances(share, worse, mean), chances(share, mean, mean))
    return once_delay(walk.over(outlook.units), np.full(ratio.BETS, -np.log(ratio.BETS)), p.alpha, outlook.chance)


def ab_test(p: AbTestParams, outlook: Outlook) -> Reach:
    """The smallest difference between the arms, either way."""
    if unknown := _unknown(outlook):
        return Reach(unknown=unknown)
    mean, windows = outlook.mean or np.nan, _within(p.at_most, outlook)
    effect = smallest(lambda x: difference_delay(x, p, outlook), windows, 0.0, 1.0 - mean)
    return Reach(
        effect=effect,
        relative=effect / mean,
        unit="share of units",
        counted=_arms(outlook, windows, p.treatment_share),
        of="people of both arms",
        words=f"a difference of {100 * effect:.2g} points beside {100 * mean:.2g} %",
    )


def difference_delay(effect: float, p: AbTestParams, outlook: Outlook) -> float:
    """Windows until a difference of means is decided on: the estimate's walk against the bound that is tangent where they meet."""
    mean, share = outlook.mean or np.nan, p.treatment_share
    square = mean if outlook.square is None else outlook.square
    spread = np.sqrt(max(square - mean**2, 1e-12) / (share * (1.0 - share)))
    first = p.min_units / min(share, 1.0 - share)
    tau = max(p.matters * mean, spread / np.sqrt(first))

    def decided(n: float) -> bool:
        z = effect * np.sqrt(n) / spread
        weight = tau / np.hypot(tau, spread / np.sqrt(n))
        log_e = np.log1p(-(weight**2)) / 2.0 + (z * weight) ** 2 / 2.0 + np.log(2.0) + log_ndtr(z * weight)
        return bool(log_e >= -np.log(p.alpha / 2.0))

    low, high = 0.0, first
    while not decided(high):
        low, high = high, 2.0 * high
        if high > 1e15:
            return float("inf")
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if decided(middle) else (middle, high)
    bound = effect * high / spread
    return max(passage(outlook.chance, high, (bound / 2.0) ** 2), first) / outlook.units + 0.5


def interleaving(p: InterleavingParams, outlook: Outlook) -> Reach:
    """The smallest lead over one half of deciding people, each of one decided session."""
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    windows = _within(p.at_most, outlook)
    lead = smallest(lambda x: lead_delay(x, p, outlook), windows, 0.0, 0.499)
    return Reach(
        effect=lead,
        unit="share of sessions",
        counted=(("units", outlook.units * windows),),
        of="people who decide for a side",
        words=f"one side winning {100 * (0.5 + lead):.3g} % of sessions",
    )


def lead_delay(lead: float, p: InterleavingParams, outlook: Outlook) -> float:
    """Windows until a lead over one half is decided on."""
    stakes = np.minimum(4.0 * p.expected_lead * STAKES, 1.8)
    increments = np.log1p(np.outer([0.5, -0.5], stakes))
    walk = walk_of(increments, np.array([0.5 + lead, 0.5 - lead]), np.full(2, 0.5))
    return once_delay(
        walk.over(outlook.units), np.full(len(stakes), -np.log(len(stakes))), p.alpha / 2.0, outlook.chance
    )


def shadow(p: ShadowParams, outlook: Outlook) -> Reach:
    """The smallest disagreement (or excess) that is decided to be more than tolerated."""
    if outlook.units <= 0:
        return Reach(unknown=NOBODY)
    windows = _within(p.at_most, outlook)
    share = smallest(lambda x: disagreement_delay(x, p, outlook), windows, p.tolerated, 0.999)
    return Reach(
        effect=share,
        unit="share of pairs",
        counted=(("pairs", outlook.units * windows),),
        of="pairs of answers",
        words=f"{100 * share:.2g} % of pairs differing",
    )


def disagreement_delay(share: float, p: ShadowParams, outlook: Outlook) -> float:
    """Windows until it is decided that more pairs differ than tolerated, where a share of them does."""
    increments = np.stack([shadow_bets(p, np.array([value]))[0] for value in (1.0, 0.0)])
    walk = walk_of(increments, np.array([share, 1.0 - share]), np.array([p.tolerated, 1.0 - p.tolerated]))
    weights = np.full(SHADOW_BETS, -np.log(SHADOW_BETS))
    return once_delay(walk.over(outlook.units), weights, p.alpha, outlook.chance)


def _unknown(outlook: Outlook) -> str:
    if outlook.units <= 0:
        return NOBODY
    return "" if outlook.mean is not None and 0.0 < outlook.mean < 1.0 else UNKNOWN_MEAN


def _within(at_most: int, outlook: Outlook) -> float:
    """Windows until it is decided, or ends without: what comes first."""
    return replace(outlook, within=min(at_most, outlook.within)).windows


def _arms(outlook: Outlook, windows: float, treatment: float) -> tuple[tuple[str, float], ...]:
    units = outlook.units * windows
    return ("treatment", units * treatment), ("control", units * (1.0 - treatment))
