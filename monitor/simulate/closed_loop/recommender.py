"""The model: a truncated singular value decomposition of implicit counts, plus popularity; and the slates it draws.

Square roots of counts stabilise their variance; scores are in standard deviations, so that the temperature means the same in
every period.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from detectors.columns import Bools, Floats, Ints

RANK = 8
_POPULARITY = 0.5


def scores(counts: sp.csr_array, rank: int = RANK) -> Floats:
    """Score of every item for every person, (U, J), out of counts (U, J). Zeros if there are none."""
    if counts.nnz == 0:
        return np.zeros(counts.shape)
    dense = np.sqrt(counts.toarray())
    _, vectors = np.linalg.eigh(dense.T @ dense)
    top = vectors[:, -rank:]
    fitted = (dense @ top) @ top.T
    popularity = np.log1p(np.asarray(counts.sum(axis=0)).ravel())
    out: Floats = fitted / (fitted.std() + 1e-9) + _POPULARITY * popularity / (popularity.std() + 1e-9)
    return out


def slates(rng: np.random.Generator, logits: Floats, places: int) -> Ints:
    """`places` different items for each row of (n, J) logits, drawn by their softmax (Gumbel, top k), best first."""
    noisy = logits + rng.gumbel(size=logits.shape)
    chosen = np.argpartition(-noisy, places - 1, axis=1)[:, :places]
    order = np.argsort(-np.take_along_axis(noisy, chosen, axis=1), axis=1)
    out: Ints = np.take_along_axis(chosen, order, axis=1)
    return out


def counted(shape: tuple[int, int], person: Ints, item: Ints, weight: Floats, keep: Bools) -> sp.csr_array:
    """Weighted clicks as a sparse (U, J) matrix."""
    return sp.csr_array((weight[item[keep]], (person[keep], item[keep])), shape=shape)
