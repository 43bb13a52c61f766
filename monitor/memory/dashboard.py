"""The page of the composite: the newest findings that it listens to, and what was last tried for it."""

from __future__ import annotations

import msgspec

from monitor.memory.model import ModelMemory
from monitor.store import codec
from monitor.watch.finding import Finding

_ROOM = "dashboard"


class _Page(msgspec.Struct, frozen=True):
    newest: dict[str, Finding]
    remedies: tuple[str, ...] = ()


def keep_dashboard(memory: ModelMemory) -> None:
    """Note that the page has changed."""
    page = _Page(dict(sorted(memory.newest.items())), memory.remedies)
    memory.page(_ROOM, "", codec.encode(page).encode())


def restore_dashboard(memory: ModelMemory, pages: dict[tuple[str, str], bytes]) -> None:
    """Take up what `keep_dashboard` wrote, of watches that the plan has as they were."""
    data = pages.get((_ROOM, ""))
    if data is None:
        return
    page, same = codec.decode(data, _Page), {w.key: w.incarnation for w in memory.plan.watches}
    memory.newest = {key: f for key, f in page.newest.items() if same.get(key) == f.incarnation}
    memory.remedies = page.remedies
