"""A push whose return can be measured: the serving side of loop gain, in one line.

Neighbours in popularity are paired; a coin lifts the score of one and lowers that of the other, for a share of the requests.
The coins are the only thing that the measurement rests on, so it needs no model of the recommender. Everything follows from
the seed: replicas of a service agree without talking to each other. Needs Python alone; copy this file if you like.

    tilt = Tilt(seed="feed-2026", strength=0.2, share=0.5)
    pairs = tilt.pairs(period="2026-11-21", ranked=items_by_last_periods_share)      # once a period, after the retraining
    ...
    score[item] += tilt.push(request_id) * sign(pairs.get(item, 0))                  # in the ranker, before it sorts

Send with each prediction whether it was tilted, `tilted: bool(tilt.push(request_id))`, and with each item `pair: pairs.get(item, 0)`,
tilted or not.

>>> tilt = Tilt(seed="feed", strength=0.2, share=0.5)
>>> pairs = tilt.pairs(period="monday", ranked=["a", "b", "c", "d", "e"])
>>> [abs(pairs.get(item, 0)) for item in "abcde"], pairs["a"] + pairs["b"], pairs["c"] + pairs["d"]
([1, 1, 2, 2, 0], 0, 0)
>>> sum(tilt.push(f"request-{n}") > 0 for n in range(1_000))
520

What that will buy, before it is switched on:

>>> print(tilt.foretell(pairs=500, exposures=400, periods=7))
a gain is known to +-0.04 after 7 periods with 500 pairs of items shown 400 times each
>>> print(Tilt(seed="feed", strength=0.2, share=0.05).foretell(pairs=500, exposures=400, periods=28))
a gain is known to +-0.16 after 28 periods with 500 pairs of items shown 400 times each
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import exp, log, sqrt


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

    def pairs(self, period: str, ranked: Sequence[str]) -> dict[str, int]:
        """The number of each item's pair in a period, from 1; negative for the one that is lowered.

        `ranked` are all items by the share they had in the last period's untilted requests, largest first. An item without a
        neighbour has no pair, and is not pushed.
        """
        pairs: dict[str, int] = {}
        for number, (first, second) in enumerate(zip(ranked[0::2], ranked[1::2], strict=False), start=1):
            sign = 1 if self._chance(f"sign\0{period}\0{first}\0{second}") < 0.5 else -1
            pairs[first], pairs[second] = sign * number, -sign * number
        return pairs

    def push(self, request: str) -> float:
        """What is added to the score of an item with a positive pair, and taken with a negative: `strength`, or 0 if untilted."""
        return self.strength if self._chance(f"request\0{request}") < self.share else 0.0

    def foretell(self, pairs: int, exposures: int, periods: int) -> str:
        """One sentence: what these pushes buy; see `half_width`."""
        return (
            f"a gain is known to +-{self.half_width(pairs, exposures, periods):.2f} after {periods} periods "
            f"with {pairs} pairs of items shown {exposures} times each"
        )

    def half_width(
        self,
        pairs: int,
        exposures: int,
        periods: int,
        gain: float = 0.5,
        clicks: float = 0.1,
        wobble: float = 0.1,
    ) -> float:
        """Half of the 95 % interval of a gain near `gain`, at one look, from what is planned.

        pairs       of items that are shown often enough (30 times untilted) in every period.
        exposures   of each item in a period, all requests together; clicks: chance that one is clicked.
        wobble      standard deviation of the logarithm of an item's share from period to period, for other reasons.

        A rough figure: counts and clicks as Poisson, items alike. Where some are shown much more than others it is wider, up to
        1.8 times in the worlds that this was measured in. Raises ValueError for what is no plan.
        """
        if min(pairs, periods) < 1 or exposures < 1 or not 0.0 < clicks <= 1.0:
            raise ValueError(
                f"pairs, exposures, periods, clicks: found {pairs}, {exposures}, {periods}, {clicks}; "
                "allowed are at least 1, and for clicks more than 0, at most 1"
            )
        untilted = exposures * (1.0 - self.share)
        item = (1.0 + (1.0 - gain) ** 2) / untilted + gain**2 / (clicks * exposures) + wobble**2
        lifted = log(1.0 - self.share + self.share * exp(self.strength))
        lowered = log(1.0 - self.share + self.share * exp(-self.strength))
        return 1.96 * sqrt(2.0 * item) / ((lifted - lowered) * sqrt(pairs * periods))

    def _chance(self, text: str) -> float:
        return int.from_bytes(blake2b(text.encode(), digest_size=8, key=self._key).digest(), "big") / 2**64
