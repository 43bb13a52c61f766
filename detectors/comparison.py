"""With what the exposed are compared, and by what randomisation: one idea, three sources.

HOLDOUT      people kept from the model, drawn at random. What differs is the model's effect.
OLD_VERSION  people drawn at random to be served by the version before, at the same time. What differs is between the versions:
             both learn from what people do with both, so what the loop does to both is not in it.
SLICE        items drawn at random, by known chances, in the lists of the same people. What differs is the policy's choice from
             what may be shown; what it does to people is in both, so their part in it is only associated.
"""

from __future__ import annotations

from enum import StrEnum


class Comparison(StrEnum):
    """See the module's text."""

    HOLDOUT = "holdout"
    OLD_VERSION = "old_version"
    SLICE = "exploration_slice"
