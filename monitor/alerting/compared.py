"""The words for what the exposed are compared with, where nobody is held out.

Detectors know two cohorts, exposed and holdout, and so do our sentences about them. `reworded` says the same of an old version beside
a new one, and of items drawn at random beside those that the model chooses. It is for sentences of ours: names and texts of others
come into them later.
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

_DRAWS = Cohorts(
    {"exposed": "chosen", "holdout": "at random"},
    ("chosen", "at random"),
    "Compared with what is drawn at random",
    "The draws stand in the same people's lists, so what the model does to people is in both: their part in it is only associated.",
)
_HELD_OUT_OR = {Comparison.OLD_VERSION: _VERSIONS, Comparison.SLICE: _DRAWS}

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
_LED = "from these lists alone nobody can tell how far people led the model there"
_OF_DRAWS = {
    "held-out people, where there are any, see what exposed people made popular, so the true gap may be larger": _LED,
    "held-out people see items that the exposed made popular, so the true gap may be larger": _LED,
    "held-out people see": "drawn at random they would see",
    "exposed people": "people",
    "exposed units": "units",
    "items shown to held-out units": "items drawn at random",
    "held-out units": "units with an item drawn at random",
    "nobody of the holdout was shown anything": "nothing was drawn at random",
}


def _finding(words: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile(
        r"\b(" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + r")(?!\w)", re.IGNORECASE
    )


_WORDS = {
    str(compared): (_finding(words), words)
    for compared, words in ((Comparison.OLD_VERSION, _OF_VERSIONS), (Comparison.SLICE, _OF_DRAWS))
}


def of(compared: str | None) -> Cohorts:
    """How the cohorts are called, by what the exposed are compared with."""
    return _HELD_OUT if compared is None else _HELD_OUT_OR.get(Comparison(compared), _HELD_OUT)


def cohorts_of(labels: Mapping[str, str]) -> Cohorts:
    """How the cohorts of an alert with these labels are called."""
    return of(labels.get(COMPARED))


def reworded(text: str, compared: str | None) -> str:
    """A sentence about exposed people and a holdout, said of what is compared.

    >>> reworded("exposed people show lower reads than the holdout", "old_version")
    'people of the new version show lower reads than the old version'
    """
    if compared not in _WORDS:
        return text
    pattern, words = _WORDS[compared]

    def said(match: re.Match[str]) -> str:
        other = words[match[0].lower()]
        return other[0].upper() + other[1:] if match[0][0].isupper() else other

    return pattern.sub(said, text)
