"""`where`: whether a record is ours."""

from __future__ import annotations

from collections.abc import Callable

from monitor.ingest.mapping import Condition


def compiled(condition: Condition) -> Callable[[object], bool]:
    """A predicate on the value at the condition's path; None stands for absent or null.

    Numbers equal numbers, text equals text and truth values equal truth values: 1 is neither "1" nor true. Bounds are met
    by numbers only; lists and objects meet nothing.

    >>> ours = compiled(Condition(("n",), at_least=2))
    >>> ours(2), ours(1), ours("2"), ours(True)
    (True, False, False, False)
    """
    anything = not condition.one_of
    texts = frozenset(v for v in condition.one_of if isinstance(v, str))
    truths = frozenset(v for v in condition.one_of if isinstance(v, bool))
    numbers = frozenset(v for v in condition.one_of if isinstance(v, int | float) and not isinstance(v, bool))
    null = None in condition.one_of
    lowest, highest = condition.at_least, condition.at_most
    bounded = lowest is not None or highest is not None

    def met(value: object) -> bool:
        if isinstance(value, bool):
            return not bounded and (anything or value in truths)
        if isinstance(value, int | float):
            return (
                (anything or value in numbers)
                and (lowest is None or value >= lowest)
                and (highest is None or value <= highest)
            )
        if bounded:
            return False
        if isinstance(value, str):
            return anything or value in texts
        return value is None and (anything or null)

    return met
