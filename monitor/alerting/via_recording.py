"""A notifier that keeps what it is given: for the demo, replay and tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from monitor.alerting.alert import Delivery, Notification, Outcome


class RecordingNotifier:
    """Sends nothing; `sent` holds what was delivered, in order.

    `answers` are given one a call, before everything is delivered. `show` is called with each delivered notification.
    `destinations` limits the names it knows; None means every name.
    """

    def __init__(
        self,
        answers: Iterable[Delivery] = (),
        show: Callable[[Notification], None] | None = None,
        destinations: Iterable[str] | None = None,
    ) -> None:
        self.sent: list[Notification] = []
        self._answers = deque(answers)
        self._show = show
        self._destinations = None if destinations is None else frozenset(destinations)

    def send(self, notification: Notification) -> Delivery:
        """The next scripted answer; DELIVERED when there is none left. An unknown destination is refused."""
        if self._destinations is not None and notification.destination not in self._destinations:
            return Delivery(
                outcome=Outcome.REFUSED, reason=f"no destination named {notification.destination!r} in the config"
            )
        answer = self._answers.popleft() if self._answers else Delivery(outcome=Outcome.DELIVERED)
        if answer.outcome is Outcome.DELIVERED:
            self.sent.append(notification)
            if self._show is not None:
                self._show(notification)
        return answer
