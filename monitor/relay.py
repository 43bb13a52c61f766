"""The relay: takes due rows from the outbox, sends them, and says when to try again.

Sending is at least once: a row is marked as in flight before it is sent, and settled after. Order within an alert is kept
by the outbox. A destination that fails rests for a while, so that its rows cost nothing and others go ahead of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from monitor.alerting.alert import Delivery, Notifier, Outcome
from monitor.clock import Clock
from monitor.store.protocols import Lease, LeaseLost, Outbox, Queued, RowTaken, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Backoff:
    """When to try again, all in ms of wall time; with the defaults a row is parked after about 8 hours of failure.

    first_ms     wait after the first failure; doubles with each further one.
    longest_ms   ceiling of that wait.
    attempts     after so many the row is parked, >= 1.
    patience_ms  ceiling of what a receiver's Retry-After is believed.
    rest_ms      longest rest of a destination after a failure that asked for no wait.
    """

    first_ms: int = 1_000
    longest_ms: int = 900_000
    attempts: int = 50
    patience_ms: int = 3_600_000
    rest_ms: int = 30_000

    def wait_ms(self, row: int, attempt: int, asked_ms: int | None = None) -> int | None:
        """The wait after `attempt` (1 is the first) of a row failed; None if it was the last.

        Between half and the whole of the doubled wait, drawn from row and attempt alone; never less than was asked.

        >>> Backoff(attempts=3).wait_ms(row=1, attempt=3) is None
        True
        """
        if attempt >= self.attempts:
            return None
        full = min(self.longest_ms, self.first_ms << min(attempt - 1, 40))
        draw = int.from_bytes(blake2b(f"{row}:{attempt}".encode(), digest_size=4).digest()) / 2**32
        return max(round(full * (0.5 + 0.5 * draw)), min(asked_ms or 0, self.patience_ms))


class Stop(Protocol):
    """Tells the loop to end; `threading.Event` does."""

    def is_set(self) -> bool:
        """Whether to end."""


class Relay:
    """Sends what is due while it may. Belongs to one thread; its counts may be read from any.

    `held` gives the lease under which rows are sent, None while another daemon owns the store: a daemon that was paused and
    wakes neither sends nor settles what its successor has taken over.

    sent      delivered rows.
    retried   attempts that will be repeated.
    parked    rows given up: refused, or tried too often.
    repeated  rows sent again because a crash left them in flight; their receiver may see the same key twice.
    failing   destination -> why its last attempt failed; empty when all is well.
    """

    def __init__(
        self,
        outbox: Outbox,
        notifier: Notifier,
        clock: Clock,
        held: Callable[[], Lease | None],
        backoff: Backoff | None = None,
        batch: int = 100,
    ) -> None:
        self.sent = 0
        self.retried = 0
        self.parked = 0
        self.repeated = 0
        self.failing: dict[str, str] = {}
        self._outbox = outbox
        self._notifier = notifier
        self._clock = clock
        self._held = held
        self._backoff = backoff or Backoff()
        self._batch = batch
        self._resting: dict[str, int] = {}

    def send_through(self, notifier: Notifier) -> None:
        """Another set of destinations, from the next row on. May be called from any thread."""
        self._notifier = notifier

    def run(self, stop: Stop, poll_ms: int = 500) -> None:
        """Send until told to stop; while the store is away or another's, wait for it. Call `Outbox.recover` first."""
        while not stop.is_set():
            try:
                idle = self.run_once() == 0
            except (StoreUnavailable, LeaseLost):
                idle = True
            if idle:
                self._clock.sleep(poll_ms)

    def run_once(self) -> int:
        """Go through the rows that are due now; how many were tried. Raises `StoreUnavailable`, `LeaseLost`."""
        tried, lease = 0, self._held()
        if lease is None:
            return 0
        for queued in self._outbox.due(self._clock.now(), self._batch):
            until = self._resting.get(queued.notification.destination, 0)
            if until > self._clock.now():
                self._postpone(queued, until, lease)
            elif self._attempt(queued, lease):
                tried += 1
        return tried

    def _postpone(self, queued: Queued, until: int, lease: Lease) -> None:
        rests = Delivery(outcome=Outcome.RETRY, reason="its destination rests after a failure")
        self._outbox.settle(queued.id, rests, self._clock.now(), until, lease)

    def _attempt(self, queued: Queued, lease: Lease) -> bool:
        try:
            self._outbox.begin(queued.id, self._clock.now(), lease)
        except RowTaken:
            return False
        self.repeated += queued.repeated
        destination = queued.notification.destination
        delivery = self._notifier.send(queued.notification)
        now = self._clock.now()
        retry_at = self._retry_at(queued, delivery, now)
        if delivery.outcome is Outcome.DELIVERED:
            self.failing.pop(destination, None)
        else:
            self.failing[destination] = delivery.reason
        self._outbox.settle(queued.id, delivery, now, retry_at, lease)
        self.sent += delivery.outcome is Outcome.DELIVERED
        self.retried += retry_at is not None
        self.parked += delivery.outcome is not Outcome.DELIVERED and retry_at is None
        return True

    def _retry_at(self, queued: Queued, delivery: Delivery, now: int) -> int | None:
        """When to try the row again, None for never.

        A destination that failed rests, but shorter than the row: if the row alone is at fault, others go before it.
        """
        if delivery.outcome is not Outcome.RETRY:
            return None
        wait = self._backoff.wait_ms(queued.id, queued.attempts + 1, delivery.after_ms)
        asked = min(delivery.after_ms or 0, self._backoff.patience_ms)
        rest = min(self._backoff.rest_ms, (self._backoff.longest_ms if wait is None else wait) // 2)
        self._resting[queued.notification.destination] = now + max(rest, asked)
        return None if wait is None else now + wait
