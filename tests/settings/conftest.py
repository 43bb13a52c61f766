from __future__ import annotations

import pytest

from detectors.catalogue import DETECTORS
from tests.settings.probe import PROBE


@pytest.fixture
def only_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(DETECTORS):
        monkeypatch.delitem(DETECTORS, name)
    monkeypatch.setitem(DETECTORS, "probe", PROBE)
