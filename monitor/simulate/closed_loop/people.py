"""People and items: who clicks what, whom it pleases, and who comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from detectors.columns import Bools, Floats, Ints
from monitor.simulate.closed_loop.shape import Mode, Shape

DIMENSIONS = 6
_TASTE = 1.3 / np.sqrt(DIMENSIONS)
_BAIT, _BAIT_OF_HARM = 0.6, 0.9
_REGRET = 0.3


@dataclass(frozen=True, slots=True)
class Catalogue:
    """J items: `place` (J, 6) in the space of tastes, `appeal` (J,) to everybody, `bait` (J,): clicks without pleasure."""

    place: Floats
    appeal: Floats
    bait: Floats


@dataclass(slots=True)
class People:
    """U people: `taste` (U, 6) drifts; `loyalty` (U,) is how readily each comes back; `held_out` (U,) is drawn once.

    `shown_model`: who is shown the model's slates: all the others, and some of those where the assignment is broken.
    `old_version`: whom the model serves as it was first trained.
    """

    taste: Floats
    loyalty: Floats
    held_out: Bools
    shown_model: Bools
    old_version: Bools


def catalogue(rng: np.random.Generator, shape: Shape) -> Catalogue:
    """Items of a world."""
    place = rng.standard_normal((shape.items, DIMENSIONS)) * _TASTE
    appeal = 0.4 * rng.standard_normal(shape.items)
    baits = _BAIT * np.maximum(rng.standard_normal(shape.items), 0.0)
    return Catalogue(place, appeal, baits)


def changed(catalogue: Catalogue, mode: Mode) -> Catalogue:
    """The items from the period on in which the mode's event happens."""
    if mode is Mode.FROZEN_EXTERNAL_DRIFT:
        return Catalogue(catalogue.place, catalogue.appeal - 0.5, catalogue.bait)
    if mode is Mode.CLOSED_PLANTED_HARM:
        return Catalogue(catalogue.place, catalogue.appeal, catalogue.bait * (_BAIT_OF_HARM / _BAIT))
    return catalogue


def people(rng: np.random.Generator, shape: Shape, mode: Mode) -> People:
    """People of a world, each held out, and each served by the old version, by an own coin."""
    taste = rng.standard_normal((shape.people, DIMENSIONS)) * _TASTE
    loyalty = 0.5 * rng.standard_normal(shape.people)
    coin = rng.random(shape.people)
    held_out = coin < shape.holdout * (0.6 if mode is Mode.BROKEN_ASSIGNMENT else 1.0)
    leaks = rng.random(shape.people) < (0.11 if mode is Mode.BROKEN_ASSIGNMENT else 0.0)
    return People(taste, loyalty, held_out, ~held_out | leaks, rng.random(shape.people) < shape.old_version)


def affinity(catalogue: Catalogue, taste: Floats, items: Ints) -> Floats:
    """How near each person of (n, 6) tastes is to each of the (n, k) items shown, (n, k)."""
    near: Floats = np.einsum("nd,nkd->nk", taste, catalogue.place[items])
    return near


def chance_of_click(catalogue: Catalogue, near: Floats, items: Ints) -> Floats:
    """Of each item shown, (n, k)."""
    return _clicks(near, catalogue.appeal[items], catalogue.bait[items])


def _clicks(near: Floats, appeal: Floats, bait: Floats) -> Floats:
    chance: Floats = expit(-2.6 + 1.6 * near + appeal + bait)
    return chance


def chance_of_pleasure(catalogue: Catalogue, near: Floats, items: Ints) -> Floats:
    """Of being pleased with an item that was clicked, (n, k)."""
    chance: Floats = expit(1.2 + near - 2.2 * catalogue.bait[items])
    return chance


def chance_of_return(loyalty: Floats, pleased: Ints, regretted: Ints, *, regret: bool) -> Floats:
    """Of coming back the next day, (n,), after so many clicks that pleased, and that did not; `regret`: the latter cost."""
    cost = _REGRET if regret else 0.0
    chance: Floats = expit(-0.2 + loyalty + 0.1 * np.minimum(pleased, 3) - cost * np.minimum(regretted, 3))
    return chance


def sought(rng: np.random.Generator, catalogue: Catalogue, taste: Floats) -> Ints:
    """The item that each person of (n, 6) tastes looks for and clicks, (n,): drawn from all as they would be clicked."""
    wanted = np.log(_clicks(taste @ catalogue.place.T, catalogue.appeal, catalogue.bait))
    items: Ints = np.argmax(wanted + rng.gumbel(size=wanted.shape), axis=1)
    return items


def drifted(catalogue: Catalogue, taste: Floats, person: Ints, item: Ints, share: float) -> Floats:
    """Tastes after the clicks (person, item): each moves `share` of the way to the item clicked."""
    towards = share * (catalogue.place[item] - taste[person])
    after = taste.copy()
    np.add.at(after, person, towards)
    return after
