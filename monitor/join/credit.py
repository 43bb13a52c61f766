"""Who won an interleaved list: outcomes find the item that they are for, and the item its team."""

from __future__ import annotations

import numpy as np

from detectors.columns import Columns, Floats
from monitor.join.joiner import Window, items_of_outcomes


def credit(window: Window, predictions: Columns, outcomes: Columns | None, team: Floats) -> Floats:
    """Of every prediction +1, -1 or 0: the sign of the outcomes on items of one team less those on the other's.

    team   (elements,) of every item shown: +1, -1, or 0 for neither.
    Outcomes name prediction and item; one that was sent twice counts once.
    """
    won = np.zeros(len(predictions))
    if outcomes is None or not len(outcomes) or not len(predictions):
        return won
    element, owner = items_of_outcomes(window, predictions, outcomes)
    np.add.at(won, owner, team[element])
    return np.sign(won)
