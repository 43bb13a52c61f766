"""A config whose files are looked at from time to time: has anything been changed, and is it written to its end?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

EVERY_S = 5.0
"""How often the files are looked at; what has changed must look the same twice."""

_SUFFIXES = frozenset({".yaml", ".yml"})

Seen = frozenset[tuple[str, int, int]]


class Following:
    """The YAML files beside a config and beside its models' files: `changed` says so once for every change."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.look_at(files)
        self._known = self._last = self._now()

    def look_at(self, files: Iterable[Path]) -> None:
        """From now on, the folders of these files."""
        self._folders = frozenset(file.absolute().parent for file in files)

    def changed(self) -> bool:
        """Whether any file is new, gone or another one since this was last true, and has not moved since the last look."""
        before, self._last = self._last, self._now()
        if self._last == before and self._last != self._known:
            self._known = self._last
            return True
        return False

    def _now(self) -> Seen:
        return frozenset(seen for folder in self._folders for seen in _files(folder))


def _files(folder: Path) -> Iterable[tuple[str, int, int]]:
    """Name, time and size of what stands in a folder now; a file that goes while it is looked at is not there."""
    try:
        found = [path for path in folder.iterdir() if path.suffix in _SUFFIXES]
    except OSError:
        return
    for path in found:
        try:
            told = path.stat()
        except OSError:
            continue
        yield str(path), told.st_mtime_ns, told.st_size
