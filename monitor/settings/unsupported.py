"""Keys that a reader of the documentation may expect, and that are refused with a sentence instead of 'unknown key'."""

from __future__ import annotations

from collections.abc import Sequence

ANY = "*"
"""Stands for any one key of a path."""

SUPPORTED_LATER: dict[tuple[str, ...], str] = {
    ("kafka", "schema_registry"): "not supported yet; events must be plain JSON or CloudEvents",
    ("changes",): "not supported yet; deploys and campaigns are not read",
    ("slack", "token"): "not supported yet; write url: slack://... (an apprise URL) instead",
    ("slack", "token_file"): "not supported yet; write url_file with an apprise URL, slack://... instead",
    ("slack", "webhook"): "not supported yet; write url with an apprise URL, slack://... instead",
    ("predictions", "decision"): "not supported yet; outcomes that a decision prevents cannot be weighed",
    ("outcomes", ANY, "early_sign_of"): "not supported yet; give each outcome a metric of its own",
    ("cohorts", "table"): "not supported yet; take the cohort from a field of the prediction, or from a hash rule",
}


def later(keys: Sequence[str | int]) -> str | None:
    """What to say of a key that is not supported yet, by its path within a shared or a model's part; None for any other."""
    for pattern, say in SUPPORTED_LATER.items():
        if len(pattern) == len(keys) and all(p in (ANY, k) for p, k in zip(pattern, keys, strict=True)):
            return say
    return None
