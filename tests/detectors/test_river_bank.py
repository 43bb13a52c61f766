"""River's detectors: their memory is plain, exact and safe, and hints open and end as told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from detectors.columns import Columns, Floats, Numeric
from detectors.detector import Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.river_bank import RiverHint, RiverHintParams
from detectors.river_bank.memory import freeze, thaw
from detectors.river_bank.state import Algorithm, RiverHintState, made
from detectors.snapshot import SnapshotError, pack, pack_row, unpack, unpack_rows

HOUR = 3_600_000
DETECTOR = RiverHint()
every_algorithm = pytest.mark.parametrize("algorithm", list(Algorithm))


def _rows(values: Floats, seed: int) -> Columns:
    n = len(values)
    unit = np.random.default_rng(seed).integers(1, 2**63, n).astype(np.uint64)
    zeros = np.zeros(n, np.int64)
    return Columns(zeros, unit, zeros.astype(np.int8), zeros.astype(np.int32), np.arange(n), {"value": Numeric(values)})


def _close(
    p: RiverHintParams, state: RiverHintState, values: Floats, window: int, *, gated: bool = False, rearm: bool = False
) -> tuple[RiverHintState, Evidence]:
    prep = DETECTOR.prepare(p, state, 0)
    a = DETECTOR.fold(prep, DETECTOR.empty(prep), _rows(values, window))
    start = window * HOUR
    tick = Tick.plain(start, start + HOUR, page=0.0, warn=0.0, gated=gated, rearm=rearm)
    state, (evidence,) = DETECTOR.close([p], state, [a], tick)
    return state, evidence


def _errors(rng: np.random.Generator, window: int, n: int = 150) -> Floats:
    """Zeros and ones whose rate changes at windows 5, 10 and 14: enough for every algorithm to report."""
    rate = 0.2 if window < 5 else 0.9 if window < 10 else 0.1 if window < 14 else 0.95
    return _coins(rng, rate, n)


def _coins(rng: np.random.Generator, rate: float, n: int = 300) -> Floats:
    return (rng.random(n) < rate).astype(np.float64)


@every_algorithm
def test_a_detector_restored_from_bytes_at_every_value_reports_the_same_across_reports(algorithm: Algorithm) -> None:
    p = RiverHintParams(algorithm=algorithm)
    rng = np.random.default_rng(1)
    values = np.concatenate([_errors(rng, window, 60) for window in range(18)]).tolist()
    kept, restored, reports = made(p), made(p), 0
    for value in values:
        restored = thaw(made(p), unpack(pack(freeze(restored))))
        kept.update(value)
        restored.update(value)
        assert restored.drift_detected == kept.drift_detected
        assert pack(freeze(restored)) == pack(freeze(kept))
        reports += kept.drift_detected
    assert reports >= 1


@every_algorithm
def test_a_watch_restored_before_every_window_tells_the_same(algorithm: Algorithm) -> None:
    p = RiverHintParams(algorithm=algorithm, calm_windows=3)
    rng = np.random.default_rng(2)
    kept = restored = DETECTOR.start([p])
    crossings = []
    for window in range(18):
        restored = unpack_rows(RiverHintState, [pack_row(restored, 0)])
        values = _errors(rng, window)
        kept, said = _close(p, kept, values, window)
        restored, said_again = _close(p, restored, values, window)
        assert said == said_again
        assert pack_row(kept, 0) == pack_row(restored, 0)
        crossings.append(said.crossing)
    assert Crossing.WARN in crossings


@every_algorithm
def test_every_state_of_a_detector_is_made_of_plain_values(algorithm: Algorithm) -> None:
    plain = (type(None), bool, int, float, str, bytes)

    def check(value: Any) -> None:
        if isinstance(value, dict):
            assert all(isinstance(k, str) for k in value)
            for v in value.values():
                check(v)
        elif isinstance(value, list):
            for v in value:
                check(v)
        else:
            assert type(value) in plain

    detector = made(RiverHintParams(algorithm=algorithm))
    for value in _errors(np.random.default_rng(3), 0, 400).tolist():
        detector.update(value)
    check(freeze(detector))


@every_algorithm
def test_memory_of_another_algorithm_is_refused(algorithm: Algorithm) -> None:
    other = Algorithm.DDM if algorithm is not Algorithm.DDM else Algorithm.ADWIN
    with pytest.raises(SnapshotError, match="not the memory of river's"):
        thaw(made(RiverHintParams(algorithm=algorithm)), freeze(made(RiverHintParams(algorithm=other))))


@pytest.mark.parametrize("damage", [b"", b"abc", b"\xff" * 400])
def test_damaged_bytes_of_a_rust_counter_are_refused_in_words(damage: bytes) -> None:
    p = RiverHintParams(algorithm=Algorithm.ADWIN)
    memory = freeze(made(p))
    memory["_helper"] = {**memory["_helper"], "bytes": damage}
    with pytest.raises(SnapshotError, match="not the memory of river's ADWIN"):
        thaw(made(p), memory)


def test_a_class_that_is_not_in_the_table_cannot_be_asked_for() -> None:
    p = RiverHintParams(algorithm=Algorithm.DDM)
    memory = freeze(made(p))
    memory["_p"] = {"part": "os.system", "attributes": {}}
    with pytest.raises(SnapshotError, match="not the memory of river's DDM"):
        thaw(made(p), memory)


def test_an_unknown_setting_is_refused_with_the_allowed_names() -> None:
    with pytest.raises(ValidationError, match="settings of ADWIN: treshold is unknown; allowed are clock, delta"):
        RiverHintParams(algorithm=Algorithm.ADWIN, settings={"treshold": 1})


def test_a_setting_that_river_refuses_is_refused_with_its_reason() -> None:
    with pytest.raises(ValidationError, match="stat_size must be smaller than window_size"):
        RiverHintParams(algorithm=Algorithm.KSWIN, settings={"window_size": 10, "stat_size": 30})


def test_kswin_always_has_a_seed() -> None:
    assert made(RiverHintParams(algorithm=Algorithm.KSWIN)).seed == 0
    assert made(RiverHintParams(algorithm=Algorithm.KSWIN, settings={"seed": 9})).seed == 9
    with pytest.raises(ValidationError, match="seed must be a whole number"):
        RiverHintParams(algorithm=Algorithm.KSWIN, settings={"seed": None})


def test_a_hint_warns_never_pages_and_ends_after_calm_windows() -> None:
    p = RiverHintParams(calm_windows=3)
    rng, state, told = np.random.default_rng(4), DETECTOR.start([p]), []
    for window in range(14):
        values = _coins(rng, 0.1 if window < 6 else 0.6)
        state, evidence = _close(p, state, values, window)
        told.append(evidence)
    assert [(i, str(e.crossing)) for i, e in enumerate(told) if e.crossing is not Crossing.NONE] == [
        (6, "warn"),
        (9, "recovered"),
    ]
    assert told[6].effect == pytest.approx(0.5, abs=0.1)
    assert told[6].n == {"before": 1_800, "after": 300}
    assert told[6].change_at == 6 * HOUR
    assert "no stated rate of false alarms" in told[6].reason
    assert "no test of recovery" in told[9].reason
    assert not any(e.exact for e in told)


def test_silence_does_not_end_a_hint() -> None:
    p = RiverHintParams(calm_windows=2)
    rng, state = np.random.default_rng(5), DETECTOR.start([p])
    for window in range(7):
        state, _ = _close(p, state, _coins(rng, 0.1 if window < 6 else 0.6), window)
    for window in range(7, 17):
        state, evidence = _close(p, state, np.zeros(0), window)
        assert evidence.standing is Standing.STALE
        assert evidence.mode is Mode.RECOVERING


def test_a_rearmed_hint_ends_and_forgets() -> None:
    p = RiverHintParams()
    rng, state = np.random.default_rng(5), DETECTOR.start([p])
    for window in range(7):
        state, _ = _close(p, state, _coins(rng, 0.1 if window < 6 else 0.6), window)
    state, evidence = _close(p, state, np.zeros(0), 7, rearm=True)
    assert evidence.crossing is Crossing.RECOVERED
    assert evidence.mode is Mode.WATCHING
    assert pack_row(state, 0) == pack_row(DETECTOR.start([p]), 0)


def test_no_more_units_are_fed_than_allowed_and_each_once() -> None:
    prep = 50
    rows = _rows(np.arange(400.0), 1)
    a = DETECTOR.fold(prep, DETECTOR.empty(prep), rows.take(np.tile(np.arange(400), 3)))
    assert DETECTOR.size(a) == 50
    assert len(np.unique(a.keys)) == 50


def test_binary_detectors_are_fed_whether_the_value_is_at_least_one_half() -> None:
    from detectors.river_bank.state import fed

    values = np.array([0.49, 0.5, 3.0, -1.0])
    assert fed(RiverHintParams(algorithm=Algorithm.DDM), values).tolist() == [0.0, 1.0, 1.0, 0.0]
    assert fed(RiverHintParams(algorithm=Algorithm.ADWIN), values).tolist() == values.tolist()


def test_the_version_of_river_belongs_to_the_fingerprint() -> None:
    import importlib.metadata

    assert DETECTOR.fingerprint_extra == importlib.metadata.version("river")
