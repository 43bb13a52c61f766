"""Categories: values as text, and text as dictionary codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.columns import Category

LONGEST_LABEL = 200
"""Characters of a label that are kept; a longer one ends in an ellipsis."""


def text_of(value: str | float | bool) -> str:
    """The text form of a scalar, as JSON spells it.

    >>> text_of(True), text_of(7), text_of("seven")
    ('true', '7', 'seven')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def column(values: Sequence[str | int | bool | None]) -> Category:
    """The values coded in order of first appearance; None is missing."""
    codes = _Codes()
    return Category(np.array([codes[value] for value in values], np.int32), tuple(codes.labels))


def compacted(category: Category) -> Category:
    """The same rows without labels that no row has, coded again in order of first appearance."""
    used, first = np.unique(category.codes, return_index=True)
    used = used[np.argsort(first)]
    used = used[used >= 0]
    table = np.full(len(category.labels) + 1, -1, np.int32)
    table[used] = np.arange(len(used))
    return Category(table[category.codes], tuple(category.labels[code] for code in used))


class _Codes(dict[str | int | bool | None, int]):
    """Codes by text. Only text is kept as a key: as keys, 1 and True would be the same."""

    def __init__(self) -> None:
        super().__init__({None: -1})
        self.labels: dict[str, int] = {}

    def __missing__(self, value: str | int | bool) -> int:
        text = text_of(value)
        label = text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
        code = self.labels.setdefault(label, len(self.labels))
        if isinstance(value, str):
            self[value] = code
        return code
