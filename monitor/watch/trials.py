"""The rows of an experiment: who is in it, in which arm, since when, and what of them is compared. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from detectors import columns as cols
from detectors.columns import Bools, Category, Cohort, Columns, Floats, Hash, Numeric, Ragged, Vector, flag

SPLIT, ERRORS, SLOW, DISAGREEMENT, PREFERENCE = "split", "errors", "slow", "disagreement", "preference"
"""What an experiment may bring beside metrics: the last part of a watch's name."""

SHADOW = "shadow"
"""The role of answers that nobody sees."""

_ITEMS_COMPARED = 10
_CODE = (1 << 24) - 1


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """One experiment, compiled.

    control, treatment   texts of `variant` (of `items.team` for interleaving); for a shadow none, and those that count.
    identity             text of `experiment_id`, "" for any.
    slow                 ms beyond which an answer is slow; answer: the field that a shadow is compared by, "" if none.
    outcome              interleaving: the outcome whose items win.
    false_discoveries    of the model, where the experiment has its level from `monitor.watch.in_turn`; else None.
    """

    name: str
    kind: str
    control: tuple[str, ...]
    treatment: tuple[str, ...]
    identity: str = ""
    slow: int | None = None
    answer: str = ""
    outcome: str = ""
    unit: str = ""
    false_discoveries: float | None = None

    @property
    def room(self) -> str:
        """Where its enrolled units are kept. Under another rule all that was known of them is void."""
        rule = repr((self.kind, self.control, self.treatment, self.identity, self.unit))
        return f"enrolled.{self.name}.{blake2b(rule.encode(), digest_size=4).hexdigest()}"


def seen_by_people(rows: Columns) -> Columns:
    """The rows without shadows: only these are enrolled, joined with outcomes, and watched."""
    shadow = is_shadow(rows)
    return rows.take(~shadow) if shadow.any() else rows


def is_shadow(rows: Columns) -> Bools:
    """Rows that nobody saw."""
    return _named(rows, "role", (SHADOW,))


def members(plan: ExperimentPlan, rows: Columns) -> Columns:
    """The experiment's rows, in order, with treatment coded as exposed and control as holdout.

    For a shadow: the live rows and the shadows that count, with `shadow`; all of them coded as exposed.
    """
    inside = _named(rows, "experiment_id", (plan.identity,)) if plan.identity else np.ones(len(rows), np.bool_)
    if plan.kind == "shadow":
        shadow = is_shadow(rows)
        counts = _named(rows, "variant", plan.treatment) if plan.treatment else shadow
        rows = rows.having(shadow=flag(shadow))
        inside = ~shadow | (shadow & counts & inside)
        treated = np.ones(len(rows), np.bool_)
    elif plan.kind == "interleaving":
        treated = np.ones(len(rows), np.bool_)
        inside = inside & _has_both_teams(plan, rows)
    else:
        treated = _named(rows, "variant", plan.treatment)
        inside = inside & (treated | _named(rows, "variant", plan.control))
    cohort = np.where(treated, np.int8(Cohort.EXPOSED), np.int8(Cohort.HOLDOUT)).astype(np.int8)
    recoded = Columns(rows.time, rows.unit, cohort, rows.partition, rows.offset, rows.fields)
    return recoded.take(inside)


def enrolling(plan: ExperimentPlan, rows: Columns) -> Columns:
    """Members by which units are enrolled: all, or the shadow's answers, because only what both answered can be compared."""
    return rows.take(rows.flags("shadow")) if plan.kind == "shadow" else rows


def enrolled(plan: ExperimentPlan, rows: Columns, here: Bools) -> Columns:
    """Members with `entering` (their unit was enrolled in this slot: `here`, (n,)) and `first` (the row by which)."""
    may = here & rows.flags("shadow") if plan.kind == "shadow" else here
    first = np.zeros(len(rows), np.bool_)
    candidates = np.flatnonzero(may & (rows.unit != 0))
    _, index = np.unique(rows.unit[candidates], return_index=True)
    first[candidates[index]] = True
    return rows.having(first=flag(first), entering=flag(here))


def compared(plan: ExperimentPlan, rows: Columns, on: str) -> Columns:
    """Members with what is compared: `value`, or the columns that the detector of the kind reads."""
    if plan.kind == "shadow":
        return rows.having(answer=_slow_vector(plan, rows) if on == SLOW else _answer(plan, rows))
    if plan.kind == "interleaving":
        return rows.having(top=Numeric(_top(plan, rows)), credit=rows.fields[credit_column(plan)])
    if on == ERRORS:
        return rows.having(value=Numeric(_failed(rows).astype(np.float64)))
    if on == SLOW:
        return rows.having(value=Numeric(_slow(plan, rows)))
    return rows.having(value=rows.fields[on]) if on in rows.fields else rows


def credit_column(plan: ExperimentPlan) -> str:
    """Name of the column that holds who won each list."""
    return f"credit.{plan.name}"


def sign_of_team(plan: ExperimentPlan, rows: Columns) -> Floats:
    """Of every item shown: +1 if treatment placed it, -1 if control did, 0 if neither."""
    items = rows.fields.get("items")
    team = items.fields.get("team") if isinstance(items, Ragged) else None
    if not isinstance(team, Category):
        return np.zeros(0)
    signs = [1.0 if label in plan.treatment else -1.0 if label in plan.control else 0.0 for label in team.labels]
    sign: Floats = np.array([*signs, 0.0])[team.codes]
    return sign


def _has_both_teams(plan: ExperimentPlan, rows: Columns) -> Bools:
    items = rows.fields.get("items")
    if not isinstance(items, Ragged):
        return np.zeros(len(rows), np.bool_)
    sign, owner = sign_of_team(plan, rows), items.owners()
    one, other = (np.bincount(owner, weights=sign == s, minlength=len(rows)) > 0 for s in (1.0, -1.0))
    both: Bools = one & other
    return both


def _top(plan: ExperimentPlan, rows: Columns) -> Floats:
    """The team of the first item that belongs to any, by row."""
    top = np.zeros(len(rows))
    items = rows.fields.get("items")
    if not isinstance(items, Ragged) or not len(rows):
        return top
    sign, owner = sign_of_team(plan, rows), items.owners()
    position = items.fields.get("position")
    place = position.values if isinstance(position, Numeric) else np.arange(len(owner), dtype=np.float64)
    order = np.lexsort((np.arange(len(owner)), place, owner))
    order = order[sign[order] != 0]
    rows_of, index = np.unique(owner[order], return_index=True)
    top[rows_of] = sign[order][index]
    return top


def _named(rows: Columns, column: str, labels: Collection[str]) -> Bools:
    """Whether the category has one of the labels; False where it is missing, or not mapped."""
    category = rows.fields.get(column)
    if not isinstance(category, Category):
        return np.zeros(len(rows), np.bool_)
    table = np.array([*(label in labels for label in category.labels), False], np.bool_)
    named: Bools = table[category.codes]
    return named


def _failed(rows: Columns) -> Bools:
    code = rows.fields.get("error_code")
    return code.codes >= 0 if isinstance(code, Category) else np.zeros(len(rows), np.bool_)


def _slow(plan: ExperimentPlan, rows: Columns) -> Floats:
    """1 for a slow answer, and for a failure without a latency: what never came is slow. NaN where nothing is known."""
    latency = rows.numbers("latency_ms")
    slow = np.where(latency > (plan.slow or np.inf), 1.0, 0.0)
    return np.where(np.isnan(latency), np.where(_failed(rows), 1.0, np.nan), slow)


def _slow_vector(plan: ExperimentPlan, rows: Columns) -> Vector:
    return Vector(_slow(plan, rows).astype(np.float32)[:, None])


def _answer(plan: ExperimentPlan, rows: Columns) -> Vector:
    """Answers as small vectors: numbers as they are, classes and items as 24 bits of their hash, which float32 holds."""
    column = rows.fields[plan.answer]
    if isinstance(column, Numeric):
        return Vector(column.values.astype(np.float32)[:, None])
    if isinstance(column, Category):
        codes = np.array([*(zlib.crc32(label.encode()) & _CODE for label in column.labels), np.nan], np.float32)
        return Vector(codes[column.codes][:, None])
    if isinstance(column, Hash):
        return Vector(
            np.where(column.values == 0, np.nan, column.values & np.uint64(_CODE)).astype(np.float32)[:, None]
        )
    return (
        Vector(_first_items(column))
        if isinstance(column, Ragged)
        else Vector(np.full((len(rows), 1), np.nan, np.float32))
    )


def _first_items(items: Ragged) -> npt.NDArray[np.float32]:
    lengths = np.diff(items.starts)
    table = np.full((len(lengths), _ITEMS_COMPARED), np.nan, np.float32)
    item = items.fields["item"]
    if isinstance(item, Hash):
        place = np.arange(len(item.values)) - np.repeat(items.starts[:-1], lengths)
        kept = place < _ITEMS_COMPARED
        table[items.owners()[kept], place[kept]] = (item.values[kept] & np.uint64(_CODE)).astype(np.float32)
    return table


def without_flags(rows: Columns, like: Columns) -> Columns:
    """Rows with the columns that `like` has beside its own, as flags that are nowhere set, so that both can be joined."""
    absent = {name: flag(np.zeros(len(rows), np.bool_)) for name in like.fields if name not in rows.fields}
    return rows.having(**absent)


def side_by_side(live: Columns, shadows: Columns) -> Columns:
    """Live rows, then shadows."""
    return cols.concat([live, without_flags(shadows, live)]) if len(shadows) else live
