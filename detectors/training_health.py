"""C6: of what the next model will be trained on, how much was not chosen by the model itself?

What exposed people were shown is what they can click, and so what the next model learns from. Items drawn at random
(`items.explored`) are the part of it that no model chose: without them the data can only confirm what the model believes. The
held-out are never trained on, and count only towards the catalogue.

Null: the share of random items among those shown to the exposed is at least `page_if_explored_below`: a floor, so nothing is
learned first. A period is below when the upper bound of the share lies under the floor, by the rule of `detectors.periods`;
bounds are Student's with 19 degrees of freedom, from a Poisson bootstrap over units. Asymptotic.

Told beside it, over the last `trailing_periods`:

- starvation: the share of the catalogue that had fewer than 30 random showings, about which little can be learned;
- the effective sample size under equal weights of all items, as a share of the exposures: with shares p_j of J items,
  1 / (sum 1 / (J^2 p_j)), weights 1 / p_j cut at 100 times their mean. Source: Kong 1992 (effective sample size);
- how showings follow the labels of the period before: with an exponent above 1 in two periods what is popular is shown more than
  in proportion (`popularity_warning`). It belongs here, as it is read off the same counts, and is a description, no test:
  the noise of small counts pulls it towards 0. It never alarms by itself;
- the share of exposures that the model itself caused; and where outcomes are read (`labels`), the share of those items that
  brought one, which is what the next model is taught, whose showing the model itself caused. Where organic outcomes are told
  apart they are labels too, and their share is told, that of random items, and an interval of both (`detectors.taught`): in
  every period that is judged, as its reason.

Where no item says whether it was drawn at random, none of this can be computed, and that is what is told.

>>> import numpy as np
>>> from detectors.columns import Columns, Hash, Ragged, flag
>>> rng, day, detector, p = np.random.default_rng(3), 86_400_000, TrainingHealth(), TrainingHealthParams()
>>> state, told = detector.start([p]), []
>>> for period in range(6):
...     unit = np.arange(1, 1_001, dtype=np.uint64)
...     explored = rng.random((1_000, 10)) < (0.05 if period < 3 else 0.0)      # exploration stops in period 3
...     items = {"item": Hash(rng.integers(1, 51, 10_000).astype(np.uint64)), "explored": flag(explored.ravel())}
...     rows = Columns(np.full(1_000, period * day), unit, np.zeros(1_000, np.int8), np.zeros(1_000, np.int32),
...                    np.arange(1_000), {"items": Ragged(np.arange(1_001) * 10, items)})
...     prep = detector.prepare(p, state, 0)
...     a = detector.fold(prep, detector.empty(prep), rows)
...     state, (evidence,) = detector.close([p], state, [a], Tick.plain(period * day, (period + 1) * day, page=1e-3, warn=4e-3))
...     if evidence.crossing is not evidence.crossing.NONE:
...         told.append((period, str(evidence.crossing), evidence.effect, evidence.change_at // day))
>>> told
[(4, 'page', 0.0, 3), (5, 'critical', 0.0, 3)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from detectors import periods, showings, snapshot, taught
from detectors.columns import Columns, Hashes, Ints
from detectors.detector import Family, Needs, Params, Stream, Tick
from detectors.evidence import Crossing, Evidence, Interval, Standing
from detectors.math import bootstrap, distinct, keyed
from detectors.periods import PAGE, WATCHING, PeriodState
from detectors.taught import Taught
from detectors.training_figures import ALL, EXPLORED, WIDTH, figures, starvation

LEVEL = 0.95
_RUNS = 1 + bootstrap.REPLICATES


class TrainingHealthParams(Params):
    """Parameters of `training_health`."""

    page_if_explored_below: Annotated[
        float, Field(gt=0, lt=1, description="least share of random items among those shown to exposed units")
    ] = 0.02
    trailing_periods: Annotated[int, Field(ge=1, le=100, description="periods that the next model is trained on")] = 7
    min_units: Annotated[int, Field(ge=20, description="exposed units before a period is judged")] = 200
    max_items: Annotated[
        int,
        Field(
            ge=1_000,
            le=1_000_000,
            description="items kept, a uniform sample of the catalogue; 40 bytes each and period",
        ),
    ] = 20_000
    labels: Annotated[
        bool,
        Field(description="whether items are read once it is known which of them brought the outcome it is placed on"),
    ] = False


@dataclass(frozen=True)
class Shown:
    """One period. Columns of sums: (random, all) showings to exposed units, then those of them that brought an outcome.

    items, counts   (n,) mixed item hashes, ascending: of the exposed and the held out; (n, 4).
    weighted        (2, runs) sums over showings of the unit's bootstrap weight; run 0 has weight 1.
    units           exposed units; see `detectors.math.distinct`.
    marked          (1,) showings that told whether they were random.
    taught          labels by who brought them about, where organic outcomes are told apart.
    """

    items: Hashes
    counts: Ints
    weighted: Ints
    units: Hashes
    marked: Ints
    taught: Taught = field(default_factory=taught.nothing)


@dataclass(frozen=True)
class TrainingHealthState(PeriodState):
    """W watches. trail (W,): packed (items, counts) of the last periods, the oldest first; then `taught.closed`, if anything is."""

    trail: npt.NDArray[np.object_]


class TrainingHealth:
    """See the module's text."""

    name = "training_health"
    family = Family.LOOP
    hint = False
    params = TrainingHealthParams
    statistic = Shown
    state = TrainingHealthState

    def needs(self, p: TrainingHealthParams) -> Needs:
        """`items`, a list with the fields `item` (identity) and `explored`; with `labels` also `came`, known at maturity."""
        return (
            Needs(Stream.OUTCOMES, ("items", "came"), gated=True, organic=True)
            if p.labels
            else Needs(Stream.PREDICTIONS, ("items",), gated=True)
        )

    def start(self, ps: Sequence[TrainingHealthParams]) -> TrainingHealthState:
        """Watching at once: the floor is no habit to be learned."""
        w = len(ps)
        trail = np.empty(w, object)
        trail[:] = [[] for _ in ps]
        return periods.start(
            TrainingHealthState,
            w,
            WATCHING,
            trail=trail,
        )

    def prepare(self, p: TrainingHealthParams, s: TrainingHealthState, row: int) -> int:
        """The cap on items."""
        return p.max_items

    def empty(self, prep: int) -> Shown:
        """Nobody was shown anything."""
        none = np.zeros(0, np.uint64)
        return Shown(
            none, np.zeros((0, WIDTH), np.int64), np.zeros((2, _RUNS), np.int64), none.copy(), np.zeros(1, np.int64)
        )

    def fold(self, prep: int, a: Shown, rows: Columns) -> Shown:
        """Add what was shown."""
        shown = showings.of(rows)
        if not len(shown.item) and "organic" not in rows.fields:
            return a
        exposed = shown.arm == 0
        came = showings.flags(rows, shown, "came")
        shows = np.stack([exposed & shown.explored, exposed], axis=1)
        counts = np.concatenate([shows, shows & came[:, None]], axis=1).astype(np.int64)
        people, of_unit = np.unique(rows.unit[shown.owner[exposed]], return_inverse=True)
        by_unit = np.stack(
            [np.bincount(of_unit, counts[exposed, which], len(people)) for which in (EXPLORED, ALL)]
        ).astype(np.int64)
        weight = np.concatenate([np.ones((len(people), 1), np.int64), bootstrap.weights(people)], axis=1)
        table = keyed.add(keyed.nothing(WIDTH), shown.item, counts)
        part = Shown(
            table.keys,
            table.sums,
            by_unit @ weight,
            distinct.add(np.zeros(0, np.uint64), bootstrap.mix(people)),
            np.array([np.count_nonzero(shown.marked & exposed)], np.int64),
            taught.read(rows, shown, came),
        )
        return self.merge(prep, a, part)

    def merge(self, prep: int, a: Shown, b: Shown) -> Shown:
        """Counts add; of the items those with the smallest hashes are kept."""
        table = keyed.merge(keyed.KeyedSums(a.items, a.counts), keyed.KeyedSums(b.items, b.counts))
        return Shown(
            table.keys[:prep],
            table.sums[:prep],
            a.weighted + b.weighted,
            distinct.add(a.units, b.units),
            a.marked + b.marked,
            taught.merge(a.taught, b.taught),
        )

    def size(self, a: Shown) -> int:
        """Exposed units."""
        return distinct.count(a.units)

    def close(
        self, ps: Sequence[TrainingHealthParams], s: TrainingHealthState, stats: Sequence[Shown], tick: Tick
    ) -> tuple[TrainingHealthState, list[Evidence]]:
        """Advance by one period."""
        s, by_hand = periods.rearm(s, tick)
        lacking = [_lacking(p, a) for p, a in zip(ps, stats, strict=True)]
        live = np.array([standing is Standing.OK for standing, _ in lacking])
        share, se = (np.array(column) for column in zip(*(_share(a) for a in stats), strict=True))
        floor = np.array([p.page_if_explored_below for p in ps])
        upper = share[:, None] + bootstrap.quantile(periods.errors(tick)) * se[:, None]
        low = upper < np.stack([floor, floor, floor / 3.0], axis=1)
        clear = share - bootstrap.quantile(periods.RECOVERY_LEVEL) * se > floor
        after, crossed = periods.judge(s, low, clear, tick, live & ~tick.gated)
        level = np.where(by_hand & (crossed == Crossing.NONE), Crossing.RECOVERED, crossed)
        trails = [
            _trail(held, a, p, keep=bool(ok))
            for held, a, p, ok in zip(s.trail, stats, ps, live & ~tick.gated, strict=True)
        ]
        trail = np.empty(len(ps), object)
        trail[:] = trails
        after = TrainingHealthState(after.mode, after.level, after.below, after.above, after.since, trail)
        told = [
            _tell(
                p,
                a,
                Crossing(level[i]),
                (float(share[i]), float(se[i])),
                lacking[i] if not tick.gated[i] else (Standing.BLIND, "the holdout is not sound"),
                float(tick.page[i]) if live[i] and not tick.gated[i] and s.level[i] < PAGE else 0.0,
                int((s if level[i] == Crossing.RECOVERED else after).since[i]) or None,
                after,
                i,
            )
            for i, (p, a) in enumerate(zip(ps, stats, strict=True))
        ]
        return after, told


def _lacking(p: TrainingHealthParams, a: Shown) -> tuple[Standing, str]:
    units, shown = distinct.count(a.units), int(a.weighted[ALL, 0])
    if not shown:
        return Standing.STALE, "no items were shown to exposed units in this period"
    if not a.marked[0]:
        return (
            Standing.NOT_COMPUTABLE,
            "no item says whether it was drawn at random: items.explored is absent from every event",
        )
    if units < p.min_units:
        return Standing.INSUFFICIENT, f"{units:,} exposed units in this period; at least {p.min_units:,} are needed"
    return Standing.OK, ""


def _share(a: Shown) -> tuple[float, float]:
    """Share of random items, and its standard error: at least what one showing more would change in one of n units."""
    weighted = a.weighted.astype(np.float64)
    if not weighted[ALL, 0]:
        return 0.0, np.inf
    shares = weighted[EXPLORED] / np.maximum(weighted[ALL], 1.0)
    per_unit = 1.0 / weighted[ALL, 0]
    return float(shares[0]), max(float(bootstrap.standard_error(shares[1:])), per_unit)


def _trail(held: list[bytes], a: Shown, p: TrainingHealthParams, *, keep: bool) -> list[bytes]:
    """The periods held with this one; what is not told apart takes no room."""
    if not keep:
        return list(held)
    return [*held, snapshot.pack([a.items, a.counts, *taught.closed(a.taught)])][-max(p.trailing_periods, 3) :]


def _tell(
    p: TrainingHealthParams,
    a: Shown,
    crossing: Crossing,
    measured: tuple[float, float],
    lacking: tuple[Standing, str],
    spend: float,
    change_at: int | None,
    after: TrainingHealthState,
    row: int,
) -> Evidence:
    share, se = measured
    standing, reason = lacking
    known = standing is Standing.OK
    radius = float(bootstrap.quantile((1.0 - LEVEL) / 2.0)) * se
    detail = figures(after.trail[row], p.trailing_periods, p.max_items, labels=p.labels) if known else {}
    if crossing is not Crossing.NONE:
        word = "has enough random items again" if crossing is Crossing.RECOVERED else "starves of random items"
        reason = (
            f"the next model's training data {word}: {share:.2%} of what exposed people are shown, at least "
            f"{p.page_if_explored_below:.2%} are wanted; {starvation(detail)}"
        )
    elif known:
        reason = taught.in_words(detail)
    return Evidence(
        mode=periods.MODES[after.mode[row]],
        standing=standing,
        crossing=crossing,
        n={"exposed": distinct.count(a.units)},
        arms={"explored": share} if known else {},
        effect=share if known else None,
        unit="share",
        interval=Interval(
            low=max(share - radius, 0.0),
            high=min(share + radius, 1.0),
            level=LEVEL,
            kind="recent",
            formula="student",
            inputs={"se": se, "alpha": 1.0 - LEVEL, "at_least": 0.0, "at_most": 1.0},
        )
        if known
        else None,
        margin=p.page_if_explored_below,
        spend=spend,
        change_at=change_at,
        exact=False,
        reason=reason,
        detail=detail,
    )
