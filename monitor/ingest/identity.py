"""Identities as 64-bit keyed hashes: raw ids of people never leave decoding.

The hash is BLAKE2b (RFC 7693) with a key and an 8-byte digest, read as a little-endian integer, of the UTF-8 text; an
integer is hashed as its decimal text, so that 7 and "7" are the same identity. 0 stands for "missing".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from detectors.columns import Hashes

_MISSING = bytes(8)
_ONE = (1).to_bytes(8, "little")


def key_of(model: str, secret: str | None = None) -> bytes:
    """The key of a model's identities: from a secret, or from the model's name alone, which everybody knows."""
    named = b"loopwatch." + model.encode()[:50]
    return named if secret is None else hashlib.blake2b(named, key=hashlib.sha256(secret.encode()).digest()).digest()


def check_of(key: bytes) -> str:
    """What tells one key from another, and nothing of either."""
    return hashlib.blake2b(b"check", key=key, digest_size=8).hexdigest()


class Identities(dict[str | int | None, bytes]):
    """The digests of a block's identities, each computed once. None and the empty text are missing.

    `key` is at most 64 bytes (else ValueError); an empty key gives an unkeyed hash.

    >>> ids = Identities(b"key")
    >>> ids.of("7") == ids.of(7), ids.of(""), ids.of(None)
    (True, 0, 0)
    """

    def __init__(self, key: bytes) -> None:
        if len(key) > hashlib.blake2b.MAX_KEY_SIZE:
            raise ValueError(f"the hash key has {len(key)} bytes; allowed: at most {hashlib.blake2b.MAX_KEY_SIZE}")
        super().__init__({None: _MISSING, "": _MISSING})
        self._key = key

    def __missing__(self, value: str | int) -> bytes:
        digest = hashlib.blake2b(str(value).encode(), digest_size=8, key=self._key).digest()
        self[value] = digest = _ONE if digest == _MISSING else digest
        return digest

    def of(self, value: str | int | None) -> int:
        """The hash of one identity; 0 if it is missing."""
        return int.from_bytes(self[value], "little")

    def column(self, values: Sequence[str | int | None]) -> Hashes:
        """The hashes of many, shape (n,)."""
        joined = b"".join([self[value] for value in values])
        return np.frombuffer(joined, "<u8").astype(np.uint64)


def combined(first: int, parts: Sequence[Hashes]) -> Hashes:
    """One hash for each row of several: equal parts in equal places give equal hashes; never 0.

    Each part of shape (n,) is folded in with the finaliser of SplitMix64 (Steele, Lea and Flood 2014), starting at `first`.
    """
    state = np.full(len(parts[0]), first, np.uint64)
    for part in parts:
        state = _mixed(state + np.uint64(0x9E3779B97F4A7C15) ^ part)
    return np.where(state == 0, np.uint64(1), state)


def _mixed(x: Hashes) -> Hashes:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
