"""One verdict out of everything that an experiment compares: said once, when it can be said. Pure.

A watch knows its own comparison only. Harm in one speaks for all, at once; soundness needs all of them; metrics that do not
decide alone decide together, by e-BH.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from detectors.evidence import Crossing, Evidence, Standing, Verdict
from detectors.families import e_bh

NEWS = (Crossing.WARN, Crossing.PAGE)
"""Crossings that somebody is told of."""


class Word(msgspec.Struct, frozen=True, array_like=True):
    """What a watch said last.

    ended     it has a verdict of its own, or its time is up.
    alone     it decides by itself.
    log_e     log of its evidence, natural; better: the arm that it favours; told: people have heard of it.
    closing   an alert of it is to be closed with its next window.
    """

    verdict: str = ""
    ended: bool = False
    alone: bool = True
    log_e: float = 0.0
    better: str = ""
    told: bool = False
    closing: bool = False


def word_of(said: Evidence, before: Word | None) -> Word:
    """The word of a window, before anybody heard of it."""
    kept = before or Word()
    if said.log10_e is None:
        return kept
    good = 1.0 if said.detail.get("better", "higher") == "higher" else -1.0
    direction = good * (said.effect or 0.0)
    return Word(
        verdict=str(said.verdict),
        ended=bool(said.detail.get("ended")),
        alone=bool(said.detail.get("alone", True)),
        log_e=said.log10_e * float(np.log(10)),
        better="treatment" if direction > 0 else "control",
        told=kept.told and bool(said.detail.get("ended") or not said.detail.get("alone", True)),
        closing=kept.closing,
    )


def together(
    key: str, said: Evidence, before: Word | None, others: Mapping[str, Word], alpha: float
) -> tuple[Evidence, Word]:
    """What people hear of a window of one of an experiment's comparisons, and the word to keep.

    key      the watch; `others`: the last words of the experiment's other comparisons, by their watch.
    alpha    level of the metrics that decide together.
    """
    word = word_of(said, before)
    if said.standing in (Standing.BLIND, Standing.STALE) and said.crossing is Crossing.NONE:
        return said, word
    if not word.alone:
        return _among_others(key, said, word, others, alpha)
    if said.crossing not in NEWS:
        return said, word
    heard, told = _harm(said, others) if _is_harm(said) else _sound(key, said, others)
    return heard, msgspec.structs.replace(word, told=told)


def _is_harm(said: Evidence) -> bool:
    return said.verdict in (Verdict.ROLLBACK, Verdict.HOLD, Verdict.TREATMENT, Verdict.CONTROL)


def _harm(said: Evidence, others: Mapping[str, Word]) -> tuple[Evidence, bool]:
    """Told at once, unless another comparison has told the same already. A preference is told by whoever decides alone."""
    if said.verdict in (Verdict.TREATMENT, Verdict.CONTROL):
        return said, True
    before = sorted(name for name, word in others.items() if word.told and word.ended and word.verdict == said.verdict)
    if not before:
        return said, True
    return _quiet(said, said.verdict, f"{said.reason}; told with {', '.join(before)} already"), False


def _sound(key: str, said: Evidence, others: Mapping[str, Word]) -> tuple[Evidence, bool]:
    """Told when nothing is left to wait for: by then it is promote if all are, else inconclusive."""
    peers = {name: word for name, word in others.items() if word.alone}
    stopped = sorted(n for n, w in peers.items() if w.ended and w.verdict in (Verdict.ROLLBACK, Verdict.HOLD))
    if stopped:
        return _quiet(said, said.verdict, f"{said.reason}; the experiment is stopped by {', '.join(stopped)}"), False
    waits = sorted(name for name, word in peers.items() if not word.ended)
    if waits:
        return _quiet(said, Verdict.HOLD, f"hold: sound here ({said.reason}); waits for {', '.join(waits)}"), False
    every = {key: str(said.verdict), **{name: word.verdict for name, word in peers.items()}}
    if len(every) == 1:
        return said, True
    overall = Verdict.PROMOTE if set(every.values()) == {str(Verdict.PROMOTE)} else Verdict.INCONCLUSIVE
    listed = ", ".join(f"{name} {verdict}" for name, verdict in sorted(every.items()))
    return msgspec.structs.replace(said, verdict=overall, reason=f"{overall}: {listed}; here: {said.reason}"), True


def _among_others(
    key: str, said: Evidence, word: Word, others: Mapping[str, Word], alpha: float
) -> tuple[Evidence, Word]:
    """Metrics that decide together: told once when the first of them is selected, once more when time is up.

    Each is the set that e-BH selects at one stopping time, so its false discovery rate is bounded as it stands.
    """
    if word.closing:
        over = msgspec.structs.replace(said, crossing=Crossing.RECOVERED, standing=Standing.OK)
        return over, msgspec.structs.replace(word, closing=False)
    family = {key: word, **{name: other for name, other in others.items() if not other.alone}}
    chosen = e_bh(np.array([w.log_e for w in family.values()]), alpha)
    selected = {name: w.better for (name, w), is_in in zip(family.items(), chosen.tolist(), strict=True) if is_in}
    listed = ", ".join(f"{name} ({better} is better)" for name, better in sorted(selected.items()))
    time_is_up = said.crossing in NEWS
    if time_is_up and all(w.ended for w in family.values()):
        reason = f"time is up; of {len(family)} metrics these differ: {listed or 'none'}"
        return msgspec.structs.replace(said, verdict=_preference(key, selected), reason=reason), word
    if time_is_up:
        return _quiet(said, said.verdict, said.reason), word
    if key in selected and not any(w.told for w in family.values()):
        heard = msgspec.structs.replace(
            said,
            crossing=Crossing.WARN,
            standing=Standing.OK,
            verdict=_preference(key, selected),
            reason=f"of {len(family)} metrics that decide together these differ: {listed}",
        )
        return heard, msgspec.structs.replace(word, told=True, closing=True)
    if key in selected:
        reason = f"of {len(family)} metrics that decide together these differ: {listed}"
        verdict = _preference(key, selected)
        return msgspec.structs.replace(said, standing=Standing.OK, verdict=verdict, reason=reason), word
    return said, word


def _preference(key: str, selected: Mapping[str, str]) -> Verdict:
    if key not in selected:
        return Verdict.INCONCLUSIVE
    return Verdict.TREATMENT if selected[key] == "treatment" else Verdict.CONTROL


def _quiet(said: Evidence, verdict: Verdict, reason: str) -> Evidence:
    return msgspec.structs.replace(said, crossing=Crossing.NONE, verdict=verdict, reason=reason)
