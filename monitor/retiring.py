"""Models that the config no longer has: their open alerts are closed, and whoever heard of them hears why.

Nothing else of such a model is touched: if it comes back it goes on where it was. Only the watches whose alerts were closed begin
afresh then, so that harm that lasts is told anew.
"""

from __future__ import annotations

from collections.abc import Collection

from monitor.alerting.alert import Phase
from monitor.alerting.closing import MODEL_REMOVED, close
from monitor.memory import pages_of
from monitor.store.protocols import Lease, Page, Reader, StateStore, Step


def retired(reader: Reader, models: Collection[str]) -> list[str]:
    """Models that have open alerts in the store and are not among `models`."""
    gone = [model for model in reader.models() if model not in models]
    return [model for model in gone if any(reader.status(model)["alerts"][each] for each in _OPEN)]


def retire(store: StateStore, model: str, lease: Lease, now: int) -> Step | None:
    """Close what is open of a model, in one step; None if nothing is. `now`: wall time, ms. Raises `StoreError`."""
    image = store.load(model)
    if not image.alerts:
        return None
    closed = [close(alert, MODEL_REMOVED, image.heard.get(alert.id, ())) for alert in image.alerts]
    step = Step(
        model=model,
        number=image.number + 1,
        pages=[Page(room, key, None) for alert in image.alerts for room, key in pages_of(alert)],
        alerts=[each.alert for each in closed],
        outbox=[message for each in closed for message in each.messages],
        decisions=[each.decided for each in closed],
        observed={"now": now},
    )
    store.commit(step, lease)
    return step


_OPEN = [phase.value for phase in Phase if phase is not Phase.RESOLVED]
