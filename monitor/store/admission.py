"""What every store asks of a step before it writes any of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.store.codec import storable
from monitor.store.protocols import Chunk, Lease, LeaseLost, OutOfStep, Step, StoreRefused


def admit(step: Step, last: int) -> None:
    """Raises `OutOfStep` unless `step` follows step `last`; `StoreRefused` for a name that not every database can hold."""
    if step.number != last + 1:
        raise OutOfStep(f"model {step.model!r}: step {step.number} does not follow the last committed step {last}")
    for what, name in _names(step):
        if storable(name) != name:
            raise StoreRefused(
                f"model {step.model!r}, step {step.number}: {what} {name!r} holds a NUL or half a character and cannot be stored"
            )


def hold(lease: Lease, owner: str, fence: int) -> None:
    """Raises `LeaseLost` unless `lease` is the one that the store knows: `owner` under `fence`."""
    if (lease.owner, lease.fence) == (owner, fence):
        return
    now = f"{owner!r} holds it under fence {fence}" if owner else f"it was given back after fence {fence}"
    raise LeaseLost(f"{lease.owner!r} under fence {lease.fence} no longer holds the lease: {now}")


def lasting_chunks(step: Step) -> Sequence[Chunk]:
    """Appended chunks without those of generations dropped in the same step."""
    if not step.dropped:
        return step.chunks
    dropped = set(step.dropped)
    return [chunk for chunk in step.chunks if (chunk.stream, chunk.slot) not in dropped]


def _names(step: Step) -> Iterator[tuple[str, str]]:
    yield "model", step.model
    for source in step.offsets:
        yield "topic", source.topic
    for chunk in step.chunks:
        yield "stream", chunk.stream
    for page in step.pages:
        yield "room", page.room
        yield "page", page.key
    for finding in step.findings:
        yield "watch", finding.watch
        yield "incarnation", finding.incarnation
        yield "detector", finding.detector
    for alert in step.alerts:
        yield "alert", alert.id
        yield "watch", alert.watch
    for message in step.outbox:
        yield "notification", message.key
        yield "alert", message.alert
        yield "destination", message.destination
    for reject in step.rejects:
        yield "topic", reject.topic
