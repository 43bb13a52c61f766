"""Measures of diversity, the bootstrap under their errors, and counting distinct hashes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from detectors.math import bootstrap, distinct, diversity


def zipf(items: int, power: float = 0.8) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    share = np.arange(1, items + 1) ** -power
    return np.asarray(share / share.sum())


@pytest.mark.parametrize("exposures", [3_000, 30_000, 300_000, 1_000_000])
def test_effective_items_are_one_to_one_point_oh_two_times_the_truth_at_every_traffic(exposures: int) -> None:
    rng, share = np.random.default_rng(5), zipf(10_000)
    truth = 1.0 / np.sum(share**2)
    ratios = []
    for _ in range(60):
        counts = rng.multinomial(exposures, share).astype(np.float64)
        total = np.array(counts.sum())
        hhi = diversity.unbiased_hhi(np.array(np.sum(counts**2)), total, total)
        ratios.append(float(np.exp(diversity.log_effective_items(hhi))) / truth)
    error = float(np.std(ratios, ddof=1)) / np.sqrt(len(ratios))
    assert 1.00 - 3 * error <= np.mean(ratios) <= 1.02 + 3 * error


def test_exp_entropy_is_a_traffic_meter_where_effective_items_are_not() -> None:
    rng, share = np.random.default_rng(6), zipf(10_000)
    few, many = (diversity.exp_entropy(rng.multinomial(n, share)) for n in (3_000, 1_000_000))
    assert few < 0.5 * many


def test_items_shown_equally_often_count_fully() -> None:
    counts = np.full(50, 20)
    assert diversity.exp_entropy(counts) == pytest.approx(50.0)
    assert diversity.gini(counts) == pytest.approx(0.0)
    assert diversity.coverage(counts, 1_000) == pytest.approx(1.0)


def test_one_item_shown_alone_has_the_largest_gini() -> None:
    assert diversity.gini(np.array([0, 0, 0, 100])) == pytest.approx(0.75)


def test_coverage_is_rarefied_to_the_smaller_traffic() -> None:
    rng, share = np.random.default_rng(7), zipf(2_000)
    small, large = rng.multinomial(20_000, share), rng.multinomial(400_000, share)
    plain = float(np.mean(large >= 5))
    assert diversity.coverage(large, 20_000) == pytest.approx(float(np.mean(small >= 5)), abs=0.02)
    assert diversity.coverage(large, 20_000) < plain - 0.2


def test_nothing_shown_has_no_diversity() -> None:
    nothing = np.zeros(3, np.int64)
    assert (diversity.exp_entropy(nothing), diversity.gini(nothing), diversity.coverage(nothing, 10)) == (0.0, 0.0, 0.0)


def test_an_index_of_zero_or_less_names_no_number_of_items() -> None:
    one = np.array([1.0, 100.0, 90.0])
    hhi = diversity.unbiased_hhi(np.array([1.0, 100.0, 90.0]), one, np.array([1.0, 100.0, 100.0]))
    assert np.isnan(diversity.log_effective_items(hhi)).all()


def test_bootstrap_weights_are_poisson_with_mean_one_and_independent_over_replicates() -> None:
    drawn = bootstrap.weights(np.arange(1, 200_001, dtype=np.uint64))
    error = 1 / np.sqrt(drawn.size)
    assert abs(drawn.mean() - 1) < 4 * error
    assert abs(drawn.var() - 1) < 4 * np.sqrt(3) * error
    assert abs(np.mean(drawn == 0) - np.exp(-1)) < 4 * 0.5 * error
    off = np.asarray(np.corrcoef(drawn.T))[~np.eye(bootstrap.REPLICATES, dtype=bool)]
    assert np.abs(off).max() < 5 / np.sqrt(len(drawn))


def test_a_unit_weighs_the_same_whoever_else_is_there() -> None:
    units = np.array([9, 2**63, 17], np.uint64)
    assert (bootstrap.weights(units)[1] == bootstrap.weights(units[1:2])[0]).all()


def test_bounds_are_students_with_nineteen_degrees_of_freedom() -> None:
    assert bootstrap.quantile(0.001) == pytest.approx(t.ppf(0.999, 19))
    assert np.isinf(bootstrap.quantile(0.0))


def test_a_replicate_without_a_value_leaves_no_standard_error() -> None:
    replicates = np.ones((2, bootstrap.REPLICATES))
    replicates[1, 3] = np.nan
    assert bootstrap.standard_error(replicates)[0] == 0.0
    assert np.isnan(bootstrap.standard_error(replicates)[1])


def test_distinct_counts_are_exact_while_few_and_close_when_many() -> None:
    none = np.zeros(0, np.uint64)
    few = bootstrap.mix(np.repeat(np.arange(1_000, dtype=np.uint64), 3))
    assert distinct.count(distinct.add(none, few)) == 1_000
    many = distinct.add(none, bootstrap.mix(np.arange(500_000, dtype=np.uint64)))
    assert distinct.count(many) == pytest.approx(500_000, rel=4 * distinct.KEPT**-0.5)


def test_distinct_counts_do_not_depend_on_the_cut() -> None:
    none, mixed = np.zeros(0, np.uint64), bootstrap.mix(np.arange(150_000, dtype=np.uint64))
    in_parts = none
    for part in np.array_split(mixed[::-1], 7):
        in_parts = distinct.add(in_parts, distinct.add(none, part))
    assert (in_parts == distinct.add(none, mixed)).all()
