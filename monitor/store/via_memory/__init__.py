"""The store as plain dicts: the reference that the databases are held to."""

from __future__ import annotations

from monitor.store.via_memory.store import MemoryStore

__all__ = ["MemoryStore"]
