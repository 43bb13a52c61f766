"""Events from files: JSON lines, CSV, Parquet."""

from __future__ import annotations

from monitor.ingest.via_files.lines import LONGEST_LINE
from monitor.ingest.via_files.source import FileSource, untimed

__all__ = ["LONGEST_LINE", "FileSource", "untimed"]
