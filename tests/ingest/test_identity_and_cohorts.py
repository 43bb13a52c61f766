"""Hashes of identities, and cohorts from arms and hash rules."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from detectors.columns import Cohort
from monitor.ingest import cohorts
from monitor.ingest.decode import compile_mapping
from monitor.ingest.identity import Identities, combined
from monitor.ingest.mapping import CohortField, CohortHash, EventMapping

KEY = b"a key of the tests"


def test_an_identity_is_keyed_blake2b_of_its_text() -> None:
    expected = int.from_bytes(hashlib.blake2b("ü-1".encode(), digest_size=8, key=KEY).digest(), "little")
    assert Identities(KEY).of("ü-1") == expected
    assert Identities(b"another").of("ü-1") != expected


def test_an_integer_and_its_decimal_text_are_one_identity() -> None:
    ids = Identities(KEY)
    assert ids.of(-7) == ids.of("-7")
    assert ids.of(2**64) == ids.of(str(2**64))


def test_only_missing_identities_are_zero() -> None:
    column = Identities(KEY).column([None, "", "a", 0, "a"])
    assert column.dtype == np.uint64
    assert (column == 0).tolist() == [True, True, False, False, False]
    assert column[2] == column[4]


def test_a_digest_of_zero_becomes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Zero:
        def digest(self) -> bytes:
            return bytes(8)

    ids = Identities(KEY)
    monkeypatch.setattr("monitor.ingest.identity.hashlib.blake2b", lambda *_, **__: Zero())
    assert ids.of("unlucky") == 1


def test_a_key_that_is_too_long_is_refused_before_any_record_is_read() -> None:
    with pytest.raises(ValueError, match="the hash key has 65 bytes; allowed: at most 64"):
        compile_mapping(EventMapping("m", "predictions", "t"), bytes(65))


def test_combined_hashes_depend_on_place_and_start() -> None:
    a, b = np.array([1, 2], np.uint64), np.array([3, 4], np.uint64)
    distinct = {*combined(1, [a, b]).tolist(), *combined(1, [b, a]).tolist(), *combined(2, [a, b]).tolist()}
    assert len(distinct) == 6
    np.testing.assert_array_equal(combined(1, [a, b]), combined(1, [a, b]))


def test_arms_are_compared_as_text_and_anything_else_is_unassigned() -> None:
    rule = CohortField(("arm",), (("on", Cohort.EXPOSED), ("1", Cohort.HOLDOUT), ("true", Cohort.EXPLORATION)))
    values = ["on", 1, True, "1", "true", None, "ON", 1.0, [], {"a": 1}, False]
    e, h, x, u = Cohort.EXPOSED, Cohort.HOLDOUT, Cohort.EXPLORATION, Cohort.UNASSIGNED
    column = cohorts.by_field(rule, values)
    assert column.dtype == np.int8
    assert column.tolist() == [e, h, x, h, x, u, u, u, u, u, u]


def test_the_hash_rule_is_sha256_of_salt_and_unit() -> None:
    rule = CohortHash("feed-2026", 0.3)
    for unit in ("u-1", "u-2", "u-3", "u-4", 17):
        share = int.from_bytes(hashlib.sha256(f"feed-2026:{unit}".encode()).digest()[:8], "big") / 2**64
        assert cohorts.assigned(rule, unit) == (Cohort.HOLDOUT if share < 0.3 else Cohort.EXPOSED)


def test_the_hash_rule_holds_out_its_share() -> None:
    column = cohorts.by_hash(CohortHash("salt", 0.05), [f"u-{i}" for i in range(20_000)])
    assert set(column.tolist()) == {Cohort.EXPOSED, Cohort.HOLDOUT}
    assert abs((column == Cohort.HOLDOUT).mean() - 0.05) < 5 * (0.05 * 0.95 / 20_000) ** 0.5


def test_without_a_unit_the_hash_rule_assigns_nobody() -> None:
    column = cohorts.by_hash(CohortHash("salt", 1.0), [None, "", "u", 5, "5"])
    assert column.tolist() == [Cohort.UNASSIGNED, Cohort.UNASSIGNED, Cohort.HOLDOUT, Cohort.HOLDOUT, Cohort.HOLDOUT]
