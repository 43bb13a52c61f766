"""What is seen of vectors and what is not. Streams are seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from detectors.columns import Columns, Numeric, Vector, flag
from detectors.detector import Tick
from detectors.embedding_shift import EmbeddingShift, EmbeddingShiftParams
from detectors.embedding_shift.lens import ANGLE, CHANNELS, LENGTH, channels, lens_of, whole
from detectors.embedding_shift.reading import nothing
from detectors.evidence import Crossing, Evidence, Standing

HOUR = 3_600_000
DETECTOR = EmbeddingShift()
SMALL = EmbeddingShiftParams(sample_units=500, learn_units=8_000, learn_windows=2)

Vectors = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Vectors]


def _rows(vectors: Vectors, window: int = 0) -> Columns:
    n = len(vectors)
    return Columns(
        np.full(n, window * HOUR),
        np.arange(1 + window * n, 1 + (window + 1) * n, dtype=np.uint64),
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.arange(n),
        {"value": Vector(vectors.astype(np.float32)), "voting": flag(np.ones(n, np.bool_))},
    )


def _stream(draw: Draw, seed: int, windows: int = 14, n: int = 2_000, page: float = 1e-4) -> list[Evidence]:
    rng, state, told = np.random.default_rng(seed), DETECTOR.start([SMALL]), []
    for window in range(windows):
        prep = DETECTOR.prepare(SMALL, state, 0)
        a = DETECTOR.fold(prep, nothing(), _rows(draw(rng, window)[:n], window))
        tick = Tick.plain(window * HOUR, (window + 1) * HOUR, page=page, warn=page)
        state, (evidence,) = DETECTOR.close([SMALL], state, [a], tick)
        told.append(evidence)
    return told


def _alarms(told: list[Evidence]) -> list[int]:
    return [i for i, e in enumerate(told) if e.crossing in (Crossing.WARN, Crossing.PAGE)]


def still(rng: np.random.Generator, window: int) -> Vectors:  # noqa: ARG001
    """Vectors with a mean and correlated coordinates of very different size."""
    base = rng.normal(size=(2_000, 24))
    base[:, 12:] = 0.8 * base[:, :12] + 0.6 * base[:, 12:]
    return (base + 0.5) * np.geomspace(0.1, 10.0, 24)


def after(change: Callable[[Vectors], Vectors]) -> Draw:
    return lambda rng, window: change(still(rng, window)) if window >= 9 else still(rng, window)


@pytest.mark.parametrize("seed", range(730, 734))
def test_vectors_that_do_not_change_alarm_nobody(seed: int) -> None:
    told = _stream(still, seed, windows=20, page=0.05 / 20)
    assert _alarms(told) == []
    assert told[-1].standing is Standing.OK


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v + 0.4 * np.geomspace(0.1, 10.0, 24),
        lambda v: v * 1.3,
        lambda v: v[:, :20],
        lambda v: np.where(np.random.default_rng(1).random((len(v), 1)) < 0.2, np.nan, v),
    ],
    ids=["all coordinates move", "longer", "another dimension", "a fifth missing"],
)
def test_changes_of_direction_length_spread_and_dimension_are_found(change: Callable[[Vectors], Vectors]) -> None:
    alarms = _alarms(_stream(after(change), 740))
    assert alarms
    assert alarms[0] in (9, 10, 11)


def test_the_alarm_says_what_moved_and_how_far_each_channel_is() -> None:
    told = _stream(after(lambda v: v[:, :20]), 741)
    alarm = told[_alarms(told)[0]]
    assert alarm.detail["cell"] == "vectors that are there and whole"
    assert alarm.arms == pytest.approx({"reference": 1.0, "now": 0.0})
    longer = _stream(after(lambda v: v * 1.3), 742)
    distances = longer[_alarms(longer)[0]].detail["distances"]
    assert len(distances) == CHANNELS
    assert distances["length"] > 0.15
    assert distances["cosine to the reference's mean"] < 0.05


def test_the_numbers_of_a_vector_do_not_depend_on_its_company_to_the_last_bit() -> None:
    rng = np.random.default_rng(743)
    vectors = rng.normal(size=(300, 384)).astype(np.float32)
    lens = lens_of(vectors, 0)
    assert lens is not None
    together = channels(lens, vectors)
    for parts in (2, 7, 300):
        apart = np.concatenate([channels(lens, part) for part in np.array_split(vectors, parts)])
        assert together.tobytes() == apart.tobytes()


def test_projections_are_whitened_and_length_and_angle_are_what_they_say() -> None:
    rng = np.random.default_rng(744)
    vectors = still(rng, 0).astype(np.float32)
    lens = lens_of(vectors, 5)
    assert lens is not None
    seen = channels(lens, vectors)
    assert np.abs(seen[:, :LENGTH].mean(axis=0)).max() < 0.05
    assert 0.3 < seen[:, :LENGTH].std(axis=0).min() < seen[:, :LENGTH].std(axis=0).max() < 2.0
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    np.testing.assert_allclose(seen[:, LENGTH], lengths / lens.size, rtol=1e-3)
    centre = vectors.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(seen[:, ANGLE], vectors @ centre / lengths / np.linalg.norm(centre), atol=2e-3)


def test_vectors_that_are_not_whole_are_missing_and_the_commonest_length_is_the_reference() -> None:
    vectors = np.ones((5, 4), np.float32)
    vectors[0, 3] = np.nan
    vectors[1, 1] = np.nan
    vectors[2] = np.nan
    assert whole(vectors, 4).tolist() == [False, False, False, True, True]
    assert whole(vectors, 3).tolist() == [True, False, False, False, False]
    assert not whole(vectors, 5).any()
    lens = lens_of(vectors, 0)
    assert lens is not None
    assert len(lens.mean) == 4
    assert lens_of(np.full((3, 2), np.nan, np.float32), 0) is None


def test_a_column_without_vectors_is_refused_by_name() -> None:
    rows = _rows(np.ones((3, 2))).having(value=Numeric(np.ones(3)))
    with pytest.raises(TypeError, match="'value' is Numeric, not a vector"):
        DETECTOR.fold(DETECTOR.prepare(SMALL, DETECTOR.start([SMALL]), 0), nothing(), rows)
