"""Two answers to one request: the statistic of a window, and what is left over to be paired with the next.

The live answer and the shadow's may come to lie on both sides of a window's border, so what found no partner is carried for
one window more, and only then counted as unmatched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Category, Columns, Hashes, Vector

_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Answers:
    """One side's answers by request: keys ascending and unique, shape (n,).

    answer   (n, k) float32: see `detectors.shadow.detector`.
    votes    (n,): the request by which its unit was enrolled.
    place    (n,) text: what the request is called in each of the columns by which disagreement is told apart, joined.
    """

    keys: Hashes
    answer: npt.NDArray[np.float32]
    votes: Bools
    place: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Bools | npt.NDArray[np.intp]) -> Answers:
        """The given rows."""
        return Answers(self.keys[rows], self.answer[rows], self.votes[rows], self.place[rows])


@dataclass(frozen=True)
class Pairs:
    """Answers of the live release and of the shadow."""

    live: Answers
    shadow: Answers


@dataclass(frozen=True)
class Matched:
    """Pairs found, each (m, k), (m,) or text; and what found no partner."""

    live: Answers
    shadow: Answers
    left: Pairs


def nothing() -> Pairs:
    """No answers."""
    return Pairs(_no_answers(), _no_answers())


def _no_answers() -> Answers:
    return Answers(np.zeros(0, np.uint64), np.zeros((0, 1), np.float32), np.zeros(0, np.bool_), np.zeros(0, np.object_))


def add(a: Pairs, rows: Columns, by: tuple[str, ...]) -> Pairs:
    """`a` with rows that have a request id and an `answer`."""
    answer = rows.fields["answer"]
    if not isinstance(answer, Vector):
        raise TypeError(f"column 'answer' is {type(answer).__name__}, not a vector")
    request, shadow = rows.hashes("request_id"), rows.flags("shadow")
    known = (request != 0) & ~np.isnan(answer.values).all(axis=1)
    votes = rows.flags("first") & (rows.unit != 0)
    place = _places(rows, by)
    both = (
        Answers(request[side], answer.values[side], votes[side], place[side])
        for side in (known & ~shadow, known & shadow)
    )
    return merge(a, Pairs(*both))


def merge(a: Pairs, b: Pairs) -> Pairs:
    """Both as one; of two answers to one request the smaller counts, so that order cannot matter."""
    return Pairs(_once(_joined(a.live, b.live)), _once(_joined(a.shadow, b.shadow)))


def match(carried: Pairs, window: Pairs) -> tuple[Matched, int, int]:
    """Pairs of a window and of what was carried into it; how many carried live and shadow answers stay without partner."""
    whole = merge(carried, window)
    live_has, shadow_has = np.isin(whole.live.keys, whole.shadow.keys), np.isin(whole.shadow.keys, whole.live.keys)
    left_live, left_shadow = whole.live.take(~live_has), whole.shadow.take(~shadow_has)
    old_live, old_shadow = np.isin(left_live.keys, carried.live.keys), np.isin(left_shadow.keys, carried.shadow.keys)
    left = Pairs(left_live.take(~old_live), left_shadow.take(~old_shadow))
    matched = Matched(whole.live.take(live_has), whole.shadow.take(shadow_has), left)
    return matched, int(old_live.sum()), int(old_shadow.sum())


def _places(rows: Columns, by: tuple[str, ...]) -> npt.NDArray[np.object_]:
    """The labels of the columns `by`, joined; a missing label is empty."""
    parts = []
    for name in by:
        column = rows.fields[name]
        if not isinstance(column, Category):
            raise TypeError(f"column {name!r} is {type(column).__name__}, not a category")
        parts.append(np.array([*column.labels, ""], np.object_)[column.codes])
    place = np.full(len(rows), "", np.object_)
    for n, part in enumerate(parts):
        place = part if n == 0 else place + _SEPARATOR + part
    return place


def labels(place: npt.NDArray[np.object_], column: int) -> npt.NDArray[np.object_]:
    """The label of one of the columns, by its index, of every place."""
    return np.array([text.split(_SEPARATOR)[column] for text in place.tolist()], np.object_)


def _joined(a: Answers, b: Answers) -> Answers:
    if not len(a) or not len(b):
        return b if len(b) else a
    return Answers(
        np.concatenate([a.keys, b.keys]),
        _stacked(a.answer, b.answer),
        np.concatenate([a.votes, b.votes]),
        np.concatenate([a.place, b.place]),
    )


def _stacked(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    wide = max(a.shape[1], b.shape[1])
    padded = [np.pad(x, ((0, 0), (0, wide - x.shape[1])), constant_values=np.nan) for x in (a, b)]
    return np.concatenate(padded)


def _once(a: Answers) -> Answers:
    """By request, each once: the one that votes, then the smaller answer, then the place."""
    if not len(a):
        return _no_answers()
    order = np.argsort(a.keys, kind="stable")
    first = np.concatenate([np.ones(1, np.bool_), a.keys[order][1:] != a.keys[order][:-1]])
    if not first.all():
        order = np.lexsort((a.place.astype(str), *a.answer.T, ~a.votes, a.keys))
    return a.take(order[first])
