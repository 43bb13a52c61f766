"""The world's course, a period at a time: slates, clicks, pleasure, returns; then tastes drift and the model is retrained.

Period 0 is a warm-up that nobody sees: everybody is there, everything shown is random, and the first model is trained on its
clicks. `periods` gives those after it, numbered from 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from detectors.columns import Bools, Floats, Ints
from monitor.client.tilt import Tilt
from monitor.simulate.closed_loop import people as folk
from monitor.simulate.closed_loop import recommender
from monitor.simulate.closed_loop.people import Catalogue, People
from monitor.simulate.closed_loop.shape import Mode, Shape

FIRST = "ranker-0"
"""The version that those are served by who keep the first model."""

_WEIGHT_AT_MOST = 10.0
_CROSSED = 0.03


@dataclass(frozen=True, slots=True)
class Period:
    """What happened in a period: n slates of k places. The last `explored` places hold items drawn at random.

    person, items      who asked, (n,), and what was shown, (n, k).
    score              the model's, (n, k), also of items that it did not choose.
    held_out           what the event says of the person's cohort, (n,): where the assignment is broken, not always the truth.
    by_model           whether the model chose the slate, (n,).
    tilted, pair       whether the paired tilt was on, (n,), and the pair of every item, (J,): negative if lowered, 0 if alone.
    clicked, pleased   (n, k); only what was clicked can please.
    returned           whether the person came back the next day, (n,).
    true_return        the chance of it, (n,): what no monitor can see.
    version, old       of the model; who was served by it as it was first trained, under `FIRST`, (n,).
    seeker, sought     who looked for an item by themselves and clicked it, rows of `person`, and the item, (m,).
    """

    number: int
    person: Ints
    items: Ints
    score: Floats
    held_out: Bools
    by_model: Bools
    tilted: Bools
    pair: Ints
    clicked: Bools
    pleased: Bools
    returned: Bools
    true_return: Floats
    version: str
    old: Bools
    seeker: Ints
    sought: Ints


def request(number: int, person: int) -> str:
    """Id of the slate that a person asks for in a period."""
    return f"s{number}-p{person}"


Push = Callable[[int, Ints], Ints]
"""What becomes of the tilt's pairs (J,) in a period: to intervene, and see what would have been."""


def as_drawn(_number: int, pair: Ints) -> Ints:
    """The tilt pushes as its coins say."""
    return pair


def periods(seed: int, mode: Mode, shape: Shape, push: Push = as_drawn) -> Iterator[Period]:
    """Run a world. The same arguments give the same periods, to the bit; worlds that differ in `push` share all other chance."""
    born, shown, acted, _, searched = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5))
    items = folk.catalogue(born, shape)
    people = folk.people(born, shape, mode)
    model = _Model(seed, mode, shape, push)
    model.learn(_serve(0, items, people, model, mode, shape, shown, acted, searched))
    for number in range(1, shape.periods + 1):
        if number == shape.event_at:
            items = folk.changed(items, mode)
        period = _serve(number, items, people, model, mode, shape, shown, acted, searched)
        yield period
        if mode is not Mode.CLOSED_NO_TASTE_DRIFT:
            row, place = np.nonzero(period.clicked)
            people.taste = folk.drifted(
                items, people.taste, period.person[row], period.items[row, place], shape.taste_drift
            )
        model.learn(period)


class _Model:
    """What is retrained: logs of the last periods, and the scores they give."""

    def __init__(self, seed: int, mode: Mode, shape: Shape, push: Push) -> None:
        self._mode, self._shape, self._push = mode, shape, push
        self._logs: deque[sp.csr_array] = deque(maxlen=shape.memory)
        self._tilt = Tilt(f"closed-loop-{seed}", shape.tilt, shape.tilted)
        self._share = np.zeros(shape.items)
        self._trained = 0
        self.scores = np.zeros((shape.people, shape.items))
        self.first = self.scores

    def version(self, number: int) -> str:
        """Of the model that serves a period."""
        changed = self._mode is Mode.VERSION_CHANGE and number >= self._shape.event_at
        return "ranker-2" if changed else "ranker-1"

    def temperature(self, number: int) -> float:
        """The second version is sharper."""
        return self._shape.temperature * (0.6 if self.version(number) == "ranker-2" else 1.0)

    def pairs(self, number: int) -> Ints:
        """Of the paired tilt: neighbours by what was shown untilted in the last period."""
        ranked = np.argsort(-self._share, kind="stable")
        pairs = self._tilt.pairs(f"period-{number}", [str(j) for j in ranked])
        return self._push(number, np.array([pairs.get(str(j), 0) for j in range(self._shape.items)]))

    def tilted(self, number: int, person: Ints) -> Bools:
        """Which requests of a period are tilted."""
        return np.array([self._tilt.push(request(number, u)) > 0 for u in person.tolist()], np.bool_)

    def learn(self, period: Period) -> None:
        """Retrain on what a period left, if this model is ever retrained."""
        shape, mode = self._shape, self._mode
        by_policy = period.items[period.by_model & ~period.tilted][:, : shape.slots - shape.explored]
        self._share = np.bincount(by_policy.ravel(), minlength=shape.items) / max(by_policy.size, 1)
        if mode.is_frozen and self._trained:
            return
        self._trained += 1
        row, place = np.nonzero(period.clicked & period.by_model[:, None])
        keep = np.ones(len(row), np.bool_)
        if mode is Mode.EXPLORATION_ONLY and period.number > 0:
            keep = place >= shape.slots - shape.explored
        weight = np.ones(shape.items)
        if mode is Mode.PROPENSITY_WEIGHTED:
            exposed = np.bincount(period.items[period.by_model].ravel(), minlength=shape.items) + 1.0
            weight = np.minimum(exposed.mean() / exposed, _WEIGHT_AT_MOST)
        clicked = period.items[row, place]
        if mode is not Mode.EXPLORATION_ONLY:
            seeker = period.by_model[period.seeker]
            row, clicked = np.append(row, period.seeker[seeker]), np.append(clicked, period.sought[seeker])
            keep = np.ones(len(row), np.bool_)
        counts = recommender.counted((shape.people, shape.items), period.person[row], clicked, weight, keep)
        self._logs.append(counts)
        if mode is Mode.EXPLORATION_ONLY:
            self._logs = deque([sum(self._logs, start=sp.csr_array(counts.shape))], maxlen=2)
        self.scores = recommender.scores(sp.csr_array(sum(self._logs, start=sp.csr_array(counts.shape))))
        self.first = self.scores if self._trained == 1 else self.first


def _serve(
    number: int,
    items: Catalogue,
    people: People,
    model: _Model,
    mode: Mode,
    shape: Shape,
    shown: np.random.Generator,
    acted: np.random.Generator,
    searched: np.random.Generator,
) -> Period:
    person = np.flatnonzero((shown.random(shape.people) < shape.active) | (number == 0))
    n, policy = len(person), shape.slots - shape.explored
    by_model = people.shown_model[person]
    old = people.old_version[person] & by_model
    scores = np.where(old[:, None], model.first[person], model.scores[person])
    tilted, pair = model.tilted(number, person) & by_model, model.pairs(number)
    logits = scores / model.temperature(number) + shape.tilt * np.sign(pair) * tilted[:, None]
    slate = np.concatenate(
        [recommender.slates(shown, logits, policy), shown.integers(0, shape.items, (n, shape.explored))], axis=1
    )
    slate[~by_model] = recommender.slates(shown, np.zeros((int((~by_model).sum()), shape.items)), shape.slots)
    near = folk.affinity(items, people.taste[person], slate)
    clicked = acted.random(slate.shape) < folk.chance_of_click(items, near, slate)
    pleased = clicked & (acted.random(slate.shape) < folk.chance_of_pleasure(items, near, slate))
    regret = mode is Mode.CLOSED_PLANTED_HARM and number >= shape.event_at
    true_return = folk.chance_of_return(
        people.loyalty[person], pleased.sum(axis=1), (clicked & ~pleased).sum(axis=1), regret=regret
    )
    score = np.take_along_axis(scores, slate, axis=1)
    held_out = people.held_out[person]
    if mode is Mode.BROKEN_ASSIGNMENT:
        held_out = held_out ^ (held_out & (shown.random(n) < _CROSSED))
    seeker = np.flatnonzero(searched.random(n) < shape.organic)
    return Period(
        number,
        person,
        slate,
        score,
        held_out,
        by_model,
        tilted,
        pair,
        clicked,
        pleased,
        acted.random(n) < true_return,
        true_return,
        model.version(number),
        old,
        seeker,
        folk.sought(searched, items, people.taste[person[seeker]]),
    )
