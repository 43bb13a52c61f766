"""Which outcomes no showing brought about, from a field of the event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.columns import Bools
from monitor.ingest.categories import text_of
from monitor.ingest.mapping import OriginField


def organic(rule: OriginField, values: Sequence[object]) -> Bools:
    """(n,) from the values at the rule's path, compared as text; what is absent, a list or an object is not organic.

    >>> organic(OriginField(("source",), ("search", "7")), ["search", "feed", 7, None, ["search"]]).tolist()
    [True, False, True, False, False]
    """
    texts = frozenset(rule.organic)
    return np.fromiter(
        (isinstance(v, str | int | float) and (v if isinstance(v, str) else text_of(v)) in texts for v in values),
        np.bool_,
        len(values),
    )
