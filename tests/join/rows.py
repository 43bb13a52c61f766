"""Rows by hand: small integers stand for hashed identities, 0 for a missing one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.columns import Column, Columns, Hash, Hashes, Numeric, Ragged


def hashes(values: Sequence[int]) -> Hashes:
    """Identities spread over 64 bits, as real ones are; 0 stays 0."""
    return np.array(values, np.uint64) * np.uint64(0xD6E8FEB86659FD93)


def rows(
    time: Sequence[int],
    unit: Sequence[int] | None = None,
    *,
    partition: Sequence[int] | None = None,
    offset: Sequence[int] | None = None,
    items: Sequence[Sequence[int]] | None = None,
    value: Sequence[float] | None = None,
    **identities: Sequence[int],
) -> Columns:
    """Rows with the given times; every other keyword is a column of identities."""
    n = len(time)
    fields: dict[str, Column] = {name: Hash(hashes(values)) for name, values in identities.items()}
    if items is not None:
        starts = np.cumsum([0, *map(len, items)])
        fields["items"] = Ragged(starts, {"item": Hash(hashes([i for slate in items for i in slate]))})
    if value is not None:
        fields["value"] = Numeric(np.array(value, np.float64))
    return Columns(
        np.array(time, np.int64),
        hashes([1] * n if unit is None else unit),
        np.zeros(n, np.int8),
        np.array([0] * n if partition is None else partition, np.int32),
        np.array(range(n) if offset is None else offset, np.int64),
        fields,
    )
