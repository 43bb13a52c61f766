"""Real data by path: sets that may not be copied into the repository, or are too large for it.

They are looked for in the folder that LOOPWATCH_SHARED names, else in `../shared` beside the checkout. Without them these
tests are skipped and say so; with CI=true they fail. Sources and licences: README.md of the data folder.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import os
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).parents[2]


def folder() -> Path:
    """The folder of the data."""
    root = Path(os.environ.get("LOOPWATCH_SHARED") or CHECKOUT.parent / "shared") / "data"
    if not root.is_dir():
        reason = f"no real data at {root}: set LOOPWATCH_SHARED to the folder that holds data/"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return root


def table(name: str) -> list[dict[str, str]]:
    """Rows of a CSV file, compressed or not."""
    path = folder() / name
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def scorer(name: str) -> ModuleType:
    """A scorer that comes with the data; each gives back published numbers."""
    spec = importlib.util.spec_from_file_location(name, folder() / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
