"""The seeds of the fuzzer, and inputs drawn by hypothesis, keep every promise of `targets`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parents[1] / "corpus"
SEEDS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
WORDS = [
    line.strip('"').encode().decode("unicode_escape").encode("latin-1")
    for line in (CORPUS / "words.dict").read_text().splitlines()
]
QUICK = sorted(TARGETS.keys() - {"engine"})


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_seed_keeps_the_promise(seed: Path) -> None:
    TARGETS[seed.parent.name](seed.read_bytes())


def test_every_target_has_seeds() -> None:
    assert {path.parent.name for path in SEEDS} == TARGETS.keys()
    assert sum(path.stat().st_size for path in SEEDS) < 200_000


@pytest.mark.parametrize("target", QUICK)
@given(data=st.lists(st.binary(max_size=12) | st.sampled_from(WORDS), max_size=25).map(b"".join))
@settings(max_examples=100)
def test_any_bytes_keep_the_promise(target: str, data: bytes) -> None:
    TARGETS[target](data)


@given(lines=st.lists(st.lists(st.binary(max_size=6) | st.sampled_from(WORDS), max_size=9).map(b"".join), max_size=20))
@settings(max_examples=4, derandomize=True, phases=(Phase.explicit, Phase.generate))
def test_any_events_keep_the_promise_of_a_turn(lines: list[bytes]) -> None:
    TARGETS["engine"](b"\n".join(lines))
