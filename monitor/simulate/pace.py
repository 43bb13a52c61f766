"""Events handed on at a chosen rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_SLEEP_MS = 20


def paced(events: Iterable[T], rate: float, now: Callable[[], int], sleep: Callable[[int], None]) -> Iterator[T]:
    """The same events, at most `rate` a second since the first; one that comes late is made up for.

    now, sleep   a clock in ms that only goes forward, and how to wait.

    >>> at = [0]
    >>> def wait(ms: int) -> None:
    ...     at[0] += ms
    >>> [(event, at[0]) for event in paced("abcde", 100.0, lambda: at[0], wait)]
    [('a', 0), ('b', 20), ('c', 20), ('d', 40), ('e', 40)]
    """
    began = now()
    for sent, event in enumerate(events):
        while (now() - began) * rate < 1000.0 * sent:
            sleep(_SLEEP_MS)
        yield event
