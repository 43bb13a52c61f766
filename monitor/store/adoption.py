"""The act of adopting a reference, as the audit keeps it."""

from __future__ import annotations

from monitor.store.protocols import Command, Reference

ADOPT = "adopt"


def adoption(reference: Reference) -> Command:
    """The command row of a reference that was adopted: what, learned when, by whom."""
    return Command(
        number=0,
        model=reference.model,
        verb=ADOPT,
        target=reference.watch,
        arguments={
            "version": reference.version,
            "from": reference.start,
            "to": reference.end,
            "records": reference.records,
            "failed": reference.failed,
        },
        author=reference.adopted_by,
        asked_at=reference.adopted_at or 0,
    )
