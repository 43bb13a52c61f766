"""A push whose return can be measured: the serving side of loop gain, in one line.

Neighbours in popularity are paired; a coin lifts the score of one and lowers that of the other, for a share of the requests.
The coins are the only thing that the measurement rests on, so it needs no model of the recommender. Everything follows from
the seed: replicas of a service agree without talking to each other. Needs Python alone; copy this file if you like.

    tilt = Tilt(seed="feed-2026", strength=0.2, share=0.5)
    signs = tilt.signs(period="2026-11-21", ranked=items_by_last_periods_share)      # once a period, after the retraining
    ...
    score[item] += tilt.push(request_id) * signs.get(item, 0)                        # in the ranker, before it sorts

Send with each prediction whether it was tilted: `tilted: bool(tilt.push(request_id))`.

>>> tilt = Tilt(seed="feed", strength=0.2, share=0.5)
>>> signs = tilt.signs(period="monday", ranked=["a", "b", "c", "d", "e"])
>>> sorted(signs), signs["a"] + signs["b"], signs["c"] + signs["d"]
(['a', 'b', 'c', 'd'], 0, 0)
>>> sum(tilt.push(f"request-{n}") > 0 for n in range(1_000))
520
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b


class Tilt:
    """The tilt of one model. Deterministic from `seed`; raises ValueError for what cannot be measured.

    strength  what is added to or taken from a score that goes through a softmax: .2 to .3 is usual, at most 1.
    share     of requests that are tilted; the rest shows what the policy does by itself, so both must be there.
    """

    def __init__(self, seed: str, strength: float = 0.2, share: float = 0.5) -> None:
        if not 0.0 < strength <= 1.0:
            raise ValueError(f"strength: found {strength}, allowed is more than 0, at most 1")
        if not 0.0 < share < 1.0:
            raise ValueError(f"share: found {share}, allowed is between 0 and 1")
        self.strength, self.share, self._key = strength, share, seed.encode()[:64]

    def signs(self, period: str, ranked: Sequence[str]) -> dict[str, int]:
        """+1 or -1 of each item of a period: `ranked` are all items by the share they had in the last one, largest first.

        An item without a neighbour has no sign, and is not pushed.
        """
        signs: dict[str, int] = {}
        for first, second in zip(ranked[0::2], ranked[1::2], strict=False):
            sign = 1 if self._chance(f"sign\0{period}\0{first}\0{second}") < 0.5 else -1
            signs[first], signs[second] = sign, -sign
        return signs

    def push(self, request: str) -> float:
        """What a request adds to the score of an item with sign +1: `strength`, or 0 if it is not tilted."""
        return self.strength if self._chance(f"request\0{request}") < self.share else 0.0

    def _chance(self, text: str) -> float:
        return int.from_bytes(blake2b(text.encode(), digest_size=8, key=self._key).digest(), "big") / 2**64
