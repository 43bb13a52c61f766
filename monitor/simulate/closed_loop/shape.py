"""What a world is made of, and in which of its ways it goes wrong."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Mode(StrEnum):
    """What the model is trained on, and what else happens.

    closed                  on everybody's clicks but those of people held out.
    closed_no_taste_drift   the same; tastes do not follow what is clicked.
    closed_planted_harm     closed; then items learn to draw clicks without pleasing, and that costs returns.
    propensity_weighted     clicks count 1 / the item's share of exposure, at most ten-fold.
    exploration_only        only clicks on the random slot count.
    frozen                  never again after the first training.
    frozen_external_drift   frozen, and the world's taste changes for everybody.
    version_change          frozen, and replaced by a narrower model under a new version.
    broken_assignment       closed, with a holdout smaller than planned, people in both cohorts, and held-out people who are
                            shown the model's slates.
    """

    CLOSED = "closed"
    CLOSED_NO_TASTE_DRIFT = "closed_no_taste_drift"
    CLOSED_PLANTED_HARM = "closed_planted_harm"
    PROPENSITY_WEIGHTED = "propensity_weighted"
    EXPLORATION_ONLY = "exploration_only"
    FROZEN = "frozen"
    FROZEN_EXTERNAL_DRIFT = "frozen_external_drift"
    VERSION_CHANGE = "version_change"
    BROKEN_ASSIGNMENT = "broken_assignment"

    @property
    def trains_on_own_clicks(self) -> bool:
        """Whether every period's model is trained on what the last ones showed."""
        return self not in {
            Mode.EXPLORATION_ONLY,
            Mode.FROZEN,
            Mode.FROZEN_EXTERNAL_DRIFT,
            Mode.VERSION_CHANGE,
        }

    @property
    def is_frozen(self) -> bool:
        """Whether the model is trained once."""
        return self in {Mode.FROZEN, Mode.FROZEN_EXTERNAL_DRIFT, Mode.VERSION_CHANGE}


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and strengths. Raises ValueError for what makes no world.

    people, items, periods   how many; a period is a day, and ends with a retraining.
    slots, explored          places in a slate, of which the last `explored` hold items drawn at random.
    active                   chance that a person asks for a slate in a period, the same for everybody.
    holdout                  planned share of people who are shown random items only, and are never trained on; 0: nobody.
    old_version              share of people whom the model goes on serving as it was first trained, under its own version.
    memory                   periods of logs that the model is trained on.
    taste_drift              share of the way that a taste moves towards an item at a click.
    tilt, tilted             loop gain: strength of the paired tilt of scores, and the share of requests that are tilted.
    temperature              of the softmax that slates are drawn by: the lower, the more of what scores best.
    organic                  chance that somebody who is there also looks for an item by themselves, and clicks it; 0: nobody.
    event_at                 period in which the harm, the external drift or the version change happens.
    """

    people: int = 6_000
    items: int = 400
    periods: int = 20
    slots: int = 10
    explored: int = 1
    active: float = 0.7
    holdout: float = 0.1
    old_version: float = 0.0
    memory: int = 3
    taste_drift: float = 0.02
    tilt: float = 0.2
    tilted: float = 0.5
    temperature: float = 0.5
    organic: float = 0.0
    event_at: int = 8

    def __post_init__(self) -> None:
        if not 0.0 < self.active < 1.0:
            raise ValueError(f"active: found {self.active}, allowed is a share between 0 and 1")
        for name in ("holdout", "old_version", "organic"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name}: found {getattr(self, name)}, allowed is 0 or a share below 1")
        if self.holdout + self.old_version > 1.0:
            raise ValueError(
                f"holdout and old_version: found {self.holdout} and {self.old_version}, allowed are shares of people that sum "
                "to at most 1"
            )
        if not 0 <= self.explored < self.slots <= self.items:
            raise ValueError(
                f"slots: found {self.slots} with {self.explored} explored and {self.items} items; "
                "allowed is explored < slots <= items"
            )
        if self.items % 2 or self.people < 100 or self.periods < 1 or self.memory < 1:
            raise ValueError(
                "allowed are an even number of items, at least 100 people, and at least 1 period and memory; "
                f"found {self.items}, {self.people}, {self.periods}, {self.memory}"
            )
