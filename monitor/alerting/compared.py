"""The words for whom the exposed are compared with, where nobody is held out.

Detectors know two cohorts, exposed and holdout, and so do our sentences about them. `reworded` says the same of an old version beside
a new one. It is for sentences of ours: names and texts of others come into them later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from detectors.comparison import Comparison

COMPARED = "compared"
"""The label of an alert that says what the exposed are compared with, a `Comparison`; without it, with a holdout."""


@dataclass(frozen=True, slots=True)
class Cohorts:
    """How the two are called.

    names   of a table's rows, by cohort, at most 11 characters; heads: of its columns, at most 9 and 10.
    title   begins the line of a message on those compared with; caveat: a sentence on what the comparison can never say.
    """

    names: Mapping[str, str]
    heads: tuple[str, str]
    title: str
    caveat: str = ""


_HELD_OUT = Cohorts({}, ("exposed", "held out"), "Holdout")
_VERSIONS = Cohorts(
    {"exposed": "new version", "holdout": "old version"},
    ("new", "old"),
    "Compared with the old version",
    "Both versions feed the same loop, so what it does to both is not in this difference.",
)

_OF_VERSIONS = {
    "exposed and held-out people": "people of both versions",
    "between the holdout and the exposed": "between the old and the new version",
    "of the exposed than of the holdout": "people of the new version than of the old",
    "of the exposed as of the holdout": "people of the new version as of the old",
    "holdout and exposed": "the old and the new version",
    "who is held out": "who is served by the old version",
    "the holdout is": "the old version's group is",
    "the holdout also sees": "people of the old version also see",
    "decision from this holdout": "decision from this comparison",
    "with this holdout": "with the old version",
    "exposed people": "people of the new version",
    "held-out people": "people of the old version",
    "held-out people see items that the exposed": "people of the old version see items that those of the new",
    "exposed units": "units of the new version",
    "held-out units": "units of the old version",
    "the exposed": "people of the new version",
    "the holdout": "the old version",
    "a randomised holdout": "the old version",
    "held out": "of the old version",
    "held-out": "old version's",
    "compare the versions live since then; if one of them started it, roll it back": "roll the new version back, or find out "
    "what in it does this",
}
_FOUND = re.compile(r"\b(" + "|".join(sorted(map(re.escape, _OF_VERSIONS), key=len, reverse=True)) + r")(?!\w)", re.I)


def of(compared: str | None) -> Cohorts:
    """How the cohorts are called, by what the exposed are compared with."""
    return _VERSIONS if compared == Comparison.OLD_VERSION else _HELD_OUT


def cohorts_of(labels: Mapping[str, str]) -> Cohorts:
    """How the cohorts of an alert with these labels are called."""
    return of(labels.get(COMPARED))


def reworded(text: str, compared: str | None) -> str:
    """A sentence about exposed people and a holdout, said of what is compared.

    >>> reworded("exposed people show lower reads than the holdout", "old_version")
    'people of the new version show lower reads than the old version'
    """
    if compared != Comparison.OLD_VERSION:
        return text
    return _FOUND.sub(_found, text)


def _found(match: re.Match[str]) -> str:
    said = _OF_VERSIONS[match[0].lower()]
    return said[0].upper() + said[1:] if match[0][0].isupper() else said
