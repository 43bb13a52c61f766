"""The laws that every detector of the catalogue keeps."""

from __future__ import annotations

import inspect
import itertools
import sys
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.catalogue import DETECTORS
from detectors.columns import Columns
from detectors.detector import AnyDetector, Needs, Tick
from detectors.evidence import Crossing, Evidence, Mode, Standing
from detectors.promises import PROMISES, Promise, promise_of
from detectors.snapshot import pack, pack_record, pack_row, stack_rows, take_rows, unpack_record, unpack_rows
from tests.laws.examples import EXAMPLES, HOUR, ROWS, WINDOWS, Example

PAGE, WARN = 1e-6, 4e-6
NAMES = sorted(DETECTORS)
every_detector = pytest.mark.parametrize("name", NAMES)


def _of(name: str) -> tuple[AnyDetector, Example]:
    return DETECTORS[name], EXAMPLES[name]


def _tick(window: int, watches: int = 1, *, gated: bool = False, rearm: bool = False) -> Tick:
    start = window * HOUR
    return Tick.plain(start, start + HOUR, page=PAGE, warn=WARN, watches=watches, gated=gated, rearm=rearm)


def _fold(detector: AnyDetector, prep: Any, parts: list[Columns]) -> Any:
    a = detector.empty(prep)
    for rows in parts:
        a = detector.fold(prep, a, rows)
    return a


def _close(detector: AnyDetector, p: Any, state: Any, rows: list[Columns], tick: Tick) -> tuple[Any, Evidence]:
    prep = detector.prepare(p, state, 0)
    state, (evidence,) = detector.close([p], state, [_fold(detector, prep, rows)], tick)
    return state, evidence


def _run(detector: AnyDetector, example: Example, p: Any, windows: int = WINDOWS) -> tuple[Any, list[Evidence]]:
    rng, state, told = np.random.default_rng(5), detector.start([p]), []
    for window in range(windows):
        state, evidence = _close(detector, p, state, [example.rows(rng, ROWS, window)], _tick(window))
        told.append(evidence)
    return state, told


def _preps(name: str) -> list[Any]:
    """What folding may know: at the start, and once the detector watches."""
    detector, example = _of(name)
    state, _ = _run(detector, example, example.params)
    return [
        detector.prepare(example.params, detector.start([example.params]), 0),
        detector.prepare(example.params, state, 0),
    ]


PREPS = {name: _preps(name) for name in NAMES if name in EXAMPLES}


def _same(evidence: Evidence) -> bytes:
    return pack(repr(evidence))


def test_every_detector_of_the_catalogue_has_an_example_and_no_example_is_left_over() -> None:
    assert sorted(EXAMPLES) == NAMES


@every_detector
def test_no_cut_of_a_short_tape_changes_the_statistic(name: str) -> None:
    detector, example = _of(name)
    tape = example.rows(np.random.default_rng(1), 6, 0)
    for prep in PREPS[name]:
        whole = pack_record(_fold(detector, prep, [tape]))
        for cuts in itertools.product([False, True], repeat=len(tape) - 1):
            edges = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(tape)]
            parts = [tape.take(np.arange(a, b)) for a, b in itertools.pairwise(edges)]
            assert pack_record(_fold(detector, prep, parts)) == whole


@every_detector
def test_no_order_of_a_short_tape_changes_the_statistic(name: str) -> None:
    detector, example = _of(name)
    tape = example.rows(np.random.default_rng(2), 5, 0)
    for prep in PREPS[name]:
        whole = pack_record(_fold(detector, prep, [tape]))
        for order in itertools.permutations(range(len(tape))):
            assert pack_record(_fold(detector, prep, [tape.take(np.array(order))])) == whole


@every_detector
def test_no_partitioning_of_a_short_tape_changes_the_statistic(name: str) -> None:
    detector, example = _of(name)
    tape = example.rows(np.random.default_rng(3), 4, 0)
    for prep in PREPS[name]:
        whole = pack_record(_fold(detector, prep, [tape]))
        for owner in itertools.product(range(3), repeat=len(tape)):
            a, b, c = (_fold(detector, prep, [tape.take(np.array(owner) == part)]) for part in range(3))
            assert pack_record(detector.merge(prep, detector.merge(prep, a, b), c)) == whole
            assert pack_record(detector.merge(prep, detector.merge(prep, c, b), a)) == whole
            assert pack_record(detector.merge(prep, a, detector.merge(prep, b, c))) == whole


@every_detector
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_cut_order_and_partitioning_of_a_long_tape_do_not_change_the_statistic(name: str, data: st.DataObject) -> None:
    detector, example = _of(name)
    seed = data.draw(st.integers(0, 2**32 - 1))
    parts = data.draw(st.integers(1, 7))
    rng = np.random.default_rng(seed)
    tape = example.rows(rng, ROWS, 0)
    prep = PREPS[name][data.draw(st.integers(0, 1))]
    whole = pack_record(_fold(detector, prep, [tape]))
    shuffled = tape.take(rng.permutation(len(tape)))
    owner = rng.integers(0, parts, len(tape))
    pieces = [
        _fold(
            detector, prep, [mine.take(np.arange(0, len(mine) // 3)), mine.take(np.arange(len(mine) // 3, len(mine)))]
        )
        for mine in (shuffled.take(owner == part) for part in range(parts))
    ]
    while len(pieces) > 1:
        i = int(rng.integers(0, len(pieces) - 1))
        pieces[i : i + 2] = [detector.merge(prep, pieces[i + 1], pieces[i])]
    assert pack_record(pieces[0]) == whole


@every_detector
def test_the_empty_statistic_is_the_identity_of_merging_and_folding_no_rows(name: str) -> None:
    detector, example = _of(name)
    tape = example.rows(np.random.default_rng(4), 50, 0)
    for prep in PREPS[name]:
        a = _fold(detector, prep, [tape])
        bytes_ = pack_record(a)
        nothing = detector.empty(prep)
        assert pack_record(detector.merge(prep, a, nothing)) == bytes_
        assert pack_record(detector.merge(prep, nothing, a)) == bytes_
        assert pack_record(detector.fold(prep, a, tape.take(np.arange(0)))) == bytes_


@every_detector
def test_the_size_of_a_statistic_is_a_number_of_units_unless_silence_is_data(name: str) -> None:
    detector, example = _of(name)
    tape = example.rows(np.random.default_rng(4), 50, 0)
    units = len(np.unique(tape.unit))
    for prep in PREPS[name]:
        sizes = detector.size(detector.empty(prep)), detector.size(_fold(detector, prep, [tape]))
        if example.silence_is_data:
            assert min(sizes) > 10**6, "a window in which nothing came must never be merged with the next"
        else:
            assert sizes[0] == 0
            assert 0 < sizes[1] <= units


@every_detector
def test_folding_merging_and_sizing_do_not_change_what_they_are_given(name: str) -> None:
    detector, example = _of(name)
    tape = example.rows(np.random.default_rng(4), 50, 0)
    for prep in PREPS[name]:
        a = _fold(detector, prep, [tape.take(np.arange(25))])
        b = _fold(detector, prep, [tape.take(np.arange(25, 50))])
        before = pack_record(a), pack_record(b)
        detector.fold(prep, a, tape)
        detector.merge(prep, a, b)
        detector.size(a)
        assert (pack_record(a), pack_record(b)) == before


@every_detector
def test_a_statistic_that_was_packed_and_unpacked_is_the_same_statistic(name: str) -> None:
    detector, example = _of(name)
    tape = example.rows(np.random.default_rng(4), 50, 0)
    for prep in PREPS[name]:
        data = pack_record(_fold(detector, prep, [tape]))
        restored = unpack_record(detector.statistic, data)
        assert pack_record(restored) == data
        twice = detector.merge(prep, restored, detector.fold(prep, detector.empty(prep), tape))
        direct = detector.fold(prep, _fold(detector, prep, [tape]), tape)
        assert pack_record(twice) == pack_record(direct)


@every_detector
def test_no_unit_is_kept_by_its_own_hash(name: str) -> None:
    """Nothing can be taken out of a statistic that is open: who is erased must not be readable in it."""
    detector, example = _of(name)
    rng, state = np.random.default_rng(6), detector.start([example.params])
    for window in range(WINDOWS):
        rows = example.rows(rng, ROWS, window)
        rows = replace(rows, unit=np.where(rows.unit, rows.unit ^ np.uint64(0xD1B5_4A32_D192_ED03), rows.unit))
        statistic = _fold(detector, detector.prepare(example.params, state, 0), [rows])
        state, _ = detector.close([example.params], state, [statistic], _tick(window))
        kept = pack_record(statistic) + pack_row(state, 0)
        assert not any(int(unit).to_bytes(8, "little") in kept for unit in np.unique(rows.unit) if unit)


@every_detector
def test_the_example_reaches_watching(name: str) -> None:
    detector, example = _of(name)
    for p in (example.params, example.other):
        assert _run(detector, example, p, WINDOWS // 2)[1][-1].mode is Mode.WATCHING


@every_detector
def test_a_state_restored_before_every_window_tells_the_same_evidence(name: str) -> None:
    detector, example = _of(name)
    p, rng = example.params, np.random.default_rng(6)
    kept = restored = detector.start([p])
    for window in range(WINDOWS):
        restored = unpack_rows(detector.state, [pack_row(restored, 0)])
        rows = [example.rows(rng, ROWS, window)]
        kept, said = _close(detector, p, kept, rows, _tick(window))
        restored, said_again = _close(detector, p, restored, rows, _tick(window))
        assert _same(said) == _same(said_again)
        assert pack_row(kept, 0) == pack_row(restored, 0)


@every_detector
def test_a_bank_of_one_and_the_same_watch_among_many_agree_to_the_bit(name: str) -> None:
    detector, example = _of(name)
    ps = [example.params, example.other, example.params, example.other, example.params]
    alone = [detector.start([p]) for p in ps]
    bank = detector.start(ps)
    rng = np.random.default_rng(7)
    for window in range(WINDOWS):
        rows = [example.rows(rng, ROWS if i != 2 else ROWS // 3, window) for i in range(len(ps))]
        stats = [_fold(detector, detector.prepare(p, bank, i), [rows[i]]) for i, p in enumerate(ps)]
        bank, told = detector.close(ps, bank, stats, _tick(window, len(ps)))
        for i, p in enumerate(ps):
            alone[i], said = _close(detector, p, alone[i], [rows[i]], _tick(window))
            assert _same(said) == _same(told[i])
            assert pack_row(bank, i) == pack_row(alone[i], 0)


@every_detector
def test_rows_of_a_state_can_be_taken_out_and_put_together_again(name: str) -> None:
    detector, example = _of(name)
    one, _ = _run(detector, example, example.params)
    other, _ = _run(detector, example, example.other)
    both = stack_rows([one, other])
    swapped = take_rows(both, np.array([1, 0]))
    assert pack_row(swapped, 0) == pack_row(other, 0)
    assert pack_row(swapped, 1) == pack_row(one, 0)


@every_detector
def test_closing_does_not_change_the_state_or_the_statistic_it_is_given(name: str) -> None:
    detector, example = _of(name)
    rng, p = np.random.default_rng(8), example.params
    state = detector.start([p])
    for window in range(WINDOWS):
        stat = _fold(detector, detector.prepare(p, state, 0), [example.rows(rng, ROWS, window)])
        before = pack_row(state, 0), pack_record(stat)
        first, said = detector.close([p], state, [stat], _tick(window))
        assert (pack_row(state, 0), pack_record(stat)) == before
        again, said_again = detector.close([p], state, [stat], _tick(window))
        assert _same(said[0]) == _same(said_again[0])
        assert pack_row(first, 0) == pack_row(again, 0)
        state = first


@every_detector
def test_an_empty_window_is_told_crosses_nothing_and_leaves_no_trace_in_the_evidence(name: str) -> None:
    detector, example = _of(name)
    p = example.params
    state, _ = _run(detector, example, p)
    for window in range(WINDOWS, WINDOWS + 3):
        after, evidence = _close(detector, p, state, [], _tick(window))
        assert isinstance(evidence.n, dict)
        if not example.silence_is_data:
            assert evidence.crossing is Crossing.NONE
            assert pack_row(after, 0) == pack_row(state, 0)
        state = after


@every_detector
def test_nothing_is_spent_or_learnt_while_a_gate_fails(name: str) -> None:
    detector, example = _of(name)
    p = example.params
    for windows in (0, WINDOWS):
        state, _ = _run(detector, example, p, windows)
        gated, evidence = _close(
            detector, p, state, [example.rows(np.random.default_rng(9), ROWS, windows)], _tick(windows, gated=True)
        )
        assert evidence.standing is Standing.BLIND
        assert evidence.crossing is Crossing.NONE
        assert evidence.spend == 0.0
        once_more, _ = _close(
            detector,
            p,
            gated,
            [example.rows(np.random.default_rng(10), ROWS, windows + 1)],
            _tick(windows + 1, gated=True),
        )
        assert pack_row(once_more, 0) == pack_row(gated, 0)


@every_detector
def test_a_rearmed_watch_has_nothing_open_and_goes_on(name: str) -> None:
    detector, example = _of(name)
    p = example.params
    state, _ = _run(detector, example, p)
    rows = [example.rows(np.random.default_rng(11), ROWS, WINDOWS)]
    state, evidence = _close(detector, p, state, rows, _tick(WINDOWS, rearm=True))
    assert evidence.mode in (Mode.WATCHING, Mode.LEARNING)
    assert evidence.crossing is Crossing.NONE


@every_detector
def test_a_healthy_stream_never_pages(name: str) -> None:
    detector, example = _of(name)
    for p in (example.params, example.other):
        told = _run(detector, example, p, 3 * WINDOWS)[1]
        assert not [e.crossing for e in told if e.crossing in (Crossing.PAGE, Crossing.CRITICAL)]


@every_detector
def test_every_evidence_has_counts_and_one_that_is_not_ok_says_why(name: str) -> None:
    detector, example = _of(name)
    for p in (example.params, example.other):
        state, told = _run(detector, example, p)
        told.append(_close(detector, p, state, [], _tick(WINDOWS))[1])
        for evidence in told:
            assert evidence.n
            assert all(isinstance(n, int) and n >= 0 for n in evidence.n.values())
            assert evidence.standing is Standing.OK or evidence.reason
            assert evidence.effect is None or np.isfinite(evidence.effect)
            assert evidence.effect is None or evidence.unit
            assert evidence.interval is None or evidence.interval.low <= evidence.interval.high
            assert np.isfinite(evidence.spend)


@every_detector
def test_while_learning_a_window_is_never_ok(name: str) -> None:
    detector, example = _of(name)
    for evidence in _run(detector, example, example.params)[1]:
        if evidence.mode is Mode.LEARNING:
            assert evidence.standing is not Standing.OK
            assert evidence.spend == 0.0


@every_detector
def test_every_evidence_is_made_of_plain_values(name: str) -> None:
    detector, example = _of(name)
    for evidence in _run(detector, example, example.params)[1]:
        assert msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence) == evidence


@every_detector
def test_a_detector_reads_what_it_says_and_nothing_else(name: str) -> None:
    detector, example = _of(name)
    needs = detector.needs(example.params)
    assert isinstance(needs, Needs)
    rows = example.rows(np.random.default_rng(12), ROWS, 0)
    only = Columns(rows.time, rows.unit, rows.cohort, rows.partition, rows.offset)
    read = (*needs.columns, *(["organic"] if needs.organic else []))
    rows = replace(rows, fields={n: column for n, column in rows.fields.items() if n != "organic" or needs.organic})
    only = only.having(**{column: rows.fields[column] for column in read})
    for prep in PREPS[name]:
        assert pack_record(_fold(detector, prep, [only])) == pack_record(_fold(detector, prep, [rows]))


@every_detector
def test_the_name_is_the_key_and_the_docstring_ends_in_an_executed_example(name: str) -> None:
    detector, _ = _of(name)
    assert detector.name == name
    text = inspect.getdoc(sys.modules[type(detector).__module__]) or ""
    assert ">>> " in text
    assert text[text.rindex(">>> ") :].count("\n\n") == 0


@every_detector
def test_every_parameter_describes_itself(name: str) -> None:
    detector, example = _of(name)
    for field, info in detector.params.model_fields.items():
        assert info.description, field
    assert isinstance(example.params, detector.params)
    assert detector.params.model_config.get("extra") == "forbid"
    assert detector.params.model_config.get("frozen") is True


def test_every_detector_says_what_its_promise_rests_on() -> None:
    assert PROMISES.keys() == DETECTORS.keys()


@every_detector
def test_what_is_told_of_the_promise_beside_a_watch_is_what_its_evidence_says(name: str) -> None:
    detector, example = _of(name)
    told = {e.exact for e in _run(detector, example, example.params)[1] if e.mode is Mode.WATCHING}
    if promise_of(name) is not Promise.NONE:
        assert told == {promise_of(name) is Promise.EXACT}
