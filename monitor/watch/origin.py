"""Where a shift comes from: a name, and the reason in words. A table of rules, pure.

With a randomised holdout three changes since the baseline are tested (`detectors.sides`): E of the exposed, H of the held out,
and D = E - H, that of the gap between them. Each is beyond chance or not, two-sided at .05. Which of the three sectors of the
plane (E, H) the point lies in, cut by the rays where one is half of the other, says who moved, if what that claims is beyond
chance:

    exposed moved    H less than half of E, in its direction           E and D are beyond chance
    holdout moved    E less than half of H, in its direction           H and D are beyond chance
    both moved       in one direction, each at least half the other    E and H are beyond chance
    apart            in opposite directions                            E and H are beyond chance

So where only one cohort moved, both by the same, or none, what is false of a sector has a chance of at most .025 in its direction,
for large n. Of a distribution the cell is taken that moved most among everybody, which is what the alarm saw; what that and a
false alarm do to the levels is measured in tests/detectors/test_sides.py. A gap that was there at the baseline is in none of the
three.

    1  the data is known to be at fault in that time        data_quality
    2  the watch is on the cohorts' soundness               holdout_anomaly
       on a release beside another                          version_change
       on the stream itself                                 data_quality
       on coins (loop gain), or on what serving draws       model_induced
    3  the holdout was broken in that time                  cannot know
    4  exposed moved: the watch is on the loop              model_induced
                      a version changed near then           version_change
                      it is what the model puts out, and no version changed
                                                            silent_change
                      else                                  model_induced
       both moved:    a version of both changed near then   version_change
                      else                                  external_drift, or model_induced if a comparison of the
                                                            cohorts speaks and their gap has changed
       holdout moved                                        holdout_anomaly
    5  no sector, a comparison of randomised cohorts        model_induced: it needs no baseline
    6  no sector, or no holdout: what fields are missing    data_quality
                      a version changed near then           version_change, by its time alone
                      no holdout, it is what the model puts out, no version changed and no input moved
                                                            silent_change, by its time alone
                      a comparison, without a holdout       associated
                      else                                  cannot know

Where the exposed are compared with people drawn to an old version (`detectors.comparison`), both feed the same loop and live in the
same world, so the table says less: whoever moved alone, it is version_change; what moved both alike is one of loop and world, and
cannot be known.

Beside items drawn at random: what the model alone moved is associated, for people led it there or were led; what moved the draws as
well is external_drift, a change of the catalogue.

A version that changes so often that more than a tenth of the weeks before lie as near to a change explains nothing by its time,
and counts as none; so an unrelated shift is blamed on a version in at most a tenth of cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from detectors.comparison import Comparison
from detectors.detector import Family
from detectors.evidence import Crossing, Evidence, Mode
from detectors.math import bootstrap
from detectors.sides import Move, Moves
from monitor.alerting.compared import reworded
from monitor.watch.finding import Origin

SHOWN = 0.95
"""Level of the intervals of E, H and D, each alone; what leaves 0 outside is beyond chance."""


class Sector(StrEnum):
    """Who moved. APART: both did, in opposite directions; UNDECIDED: too little is known to tell."""

    EXPOSED = "exposed"
    BOTH = "both"
    HOLDOUT = "holdout"
    APART = "apart"
    UNDECIDED = "undecided"


class Versions(StrEnum):
    """What became of the model's versions near then. UNKNOWN: they are not mapped; ROUTINE: they change too often to tell."""

    UNKNOWN = "unknown"
    SAME = "same"
    CHANGED = "changed"
    ROUTINE = "routine"


class Watched(StrEnum):
    """What a watch looks at: what goes into the model, what it puts out, what came of it, or anything else."""

    INPUT = "input"
    OUTPUT = "output"
    OUTCOME = "outcome"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a shift.

    moves         how far each cohort moved, or why that cannot be told.
    compared      with what the exposed are compared, by the config at random; None: with nobody; alone: why.
    broken        why the holdout cannot be trusted in that time, or "".
    trouble       what of the data is known to be at fault in that time, or "".
    versions      of the exposed (of everybody, without cohorts); of_holdout: of the held out; version: what changed.
    inputs_moved  inputs of the model with an open alert.
    """

    family: Family
    watched: Watched = Watched.OTHER
    detector: str = ""
    moves: Moves | str = "its figures are not followed by cohort"
    compared: Comparison | None = None
    alone: str = "there is no randomised holdout to compare with"
    broken: str = ""
    trouble: str = ""
    versions: Versions = Versions.UNKNOWN
    of_holdout: Versions = Versions.UNKNOWN
    version: str = ""
    inputs_moved: tuple[str, ...] = ()

    @property
    def randomised(self) -> bool:
        """Whether people were drawn at random to be compared with the exposed."""
        return self.compared in (Comparison.HOLDOUT, Comparison.OLD_VERSION)


def speaks(evidence: Evidence) -> bool:
    """Whether evidence says something that has an origin."""
    return evidence.mode is Mode.RECOVERING or evidence.crossing not in (Crossing.NONE, Crossing.RECOVERED)


def of(case: Case) -> tuple[Origin, str]:
    """The origin and its reason, never empty."""
    if case.trouble:
        return Origin.DATA_QUALITY, case.trouble
    if fixed := _BY_DETECTOR.get((case.family, case.detector)) or _FIXED.get(case.family):
        return fixed[0], reworded(fixed[1], case.compared)
    if not case.randomised:
        return _without_people(case)
    if case.broken:
        whose = "holdout" if case.compared is Comparison.HOLDOUT else "assignment to versions"
        return Origin.UNKNOWN, f"the {whose} cannot be trusted in that time: {case.broken}"
    if case.compared is Comparison.OLD_VERSION:
        return _between_versions(case)
    return _without_moves(case, case.moves) if isinstance(case.moves, str) else _by_moves(case, case.moves)


def _by_moves(case: Case, moves: Moves) -> tuple[Origin, str]:
    where, said = sector(moves), told(moves)
    if where is Sector.EXPOSED:
        return _of_the_exposed(case, said)
    if where is Sector.BOTH:
        return _of_both(case, moves, said)
    if where is Sector.HOLDOUT:
        return Origin.HOLDOUT_ANOMALY, f"held-out people moved, exposed people did not: {said}"
    if where is Sector.APART:
        return Origin.UNKNOWN, f"exposed and held-out people moved in opposite directions: {said}"
    return _without_moves(case, f"too few people to tell who moved: {said}")


def sector(moves: Moves) -> Sector:
    """Who moved, beyond chance; see the module's text."""
    e, h = moves.exposed.change, moves.held_out.change
    exposed, held_out = (_beyond_chance(each.change, each.se) for each in (moves.exposed, moves.held_out))
    if exposed and held_out and e * h < 0.0:
        return Sector.APART
    gap = _beyond_chance(*difference(moves))
    if abs(e) >= abs(h) and h * np.sign(e) < abs(e) / 2.0:
        return Sector.EXPOSED if exposed and gap else Sector.UNDECIDED
    if abs(h) > abs(e) and e * np.sign(h) < abs(h) / 2.0:
        return Sector.HOLDOUT if held_out and gap else Sector.UNDECIDED
    return Sector.BOTH if exposed and held_out else Sector.UNDECIDED


def _beyond_chance(change: float, se: float) -> bool:
    low, high = bounds(change, se)
    return low > 0.0 or high < 0.0


def gap_changed(moves: Moves) -> bool:
    """Whether the gap between the cohorts is another one than at the baseline, beyond chance."""
    return _beyond_chance(*difference(moves))


def difference(moves: Moves) -> tuple[float, float]:
    """The change of the gap, exposed less held out, and its standard error."""
    return moves.exposed.change - moves.held_out.change, float(np.hypot(moves.exposed.se, moves.held_out.se))


def bounds(change: float, se: float) -> tuple[float, float]:
    """The interval of a change at level `SHOWN`."""
    radius = float(bootstrap.quantile((1.0 - SHOWN) / 2.0)) * se
    return change - radius, change + radius


def told(moves: Moves, names: tuple[str, str] = ("exposed", "held out")) -> str:
    """Both changes and the gap, in words and figures."""
    gap, se = difference(moves)
    what = f"{moves.name}: " if moves.name else ""
    change = ", ".join(
        f"{who} {_figure(move.change, move.se, moves)}"
        for who, move in zip(names, (moves.exposed, moves.held_out), strict=True)
    )
    return f"{what}{change}; the gap between them changed by {_figure(gap, se, moves)} since the baseline"


def _figure(change: float, se: float, moves: Moves) -> str:
    low, high = bounds(change, se)
    if moves.relative:
        return f"{np.expm1(change):+.1%} [{100 * np.expm1(low):.1f} to {100 * np.expm1(high):.1f}]".replace("%", " %")
    if moves.name:
        return f"{100 * change:+.1f} points [{100 * low:.1f} to {100 * high:.1f}]"
    return f"{change:+.3g} [{low:.3g} to {high:.3g}]"


_FIXED: dict[Family, tuple[Origin, str]] = {
    Family.INTEGRITY: (Origin.HOLDOUT_ANOMALY, "who is held out is not as planned, before anything is compared"),
    Family.DEPLOYMENT: (Origin.VERSION_CHANGE, "both ran at the same time, and only what was tried differs"),
    Family.FRESHNESS: (Origin.DATA_QUALITY, "this counts events as they arrive: they stopped, or come at another pace"),
    Family.QUALITY: (Origin.DATA_QUALITY, "too many records cannot be used"),
}
_BY_DETECTOR: dict[tuple[Family, str], tuple[Origin, str]] = {
    (Family.LOOP, "loop_gain"): (
        Origin.MODEL_INDUCED,
        "what is pushed is drawn by coins, so what comes back of it is the model's answer",
    ),
    **dict.fromkeys(
        ((Family.LOOP, "training_health"), (Family.LOOP, "effective_sample")),
        (
            Origin.MODEL_INDUCED,
            "this counts what serving itself draws and shows: neither people nor the world have a part in it",
        ),
    ),
    (Family.INTEGRITY, "propensity_check"): (
        Origin.DATA_QUALITY,
        "the chances that serving logs are not those by which it draws",
    ),
    (Family.DEPLOYMENT, "sample_ratio"): (Origin.DATA_QUALITY, "the arms do not have their planned sizes"),
}


def _of_the_exposed(case: Case, said: str) -> tuple[Origin, str]:
    if case.family is not Family.LOOP and case.versions is Versions.CHANGED:
        return Origin.VERSION_CHANGE, f"only exposed people moved, when {case.version}: {said}"
    if case.watched is Watched.OUTPUT and case.versions is Versions.SAME:
        return Origin.SILENT_CHANGE, f"only exposed people moved, and no version changed: {said}"
    return Origin.MODEL_INDUCED, f"only exposed people moved: {said}"


def _of_both(case: Case, moves: Moves, said: str) -> tuple[Origin, str]:
    if case.versions is Versions.CHANGED and case.of_holdout is Versions.CHANGED and case.watched is not Watched.INPUT:
        return Origin.VERSION_CHANGE, f"both cohorts moved, and were both served when {case.version}: {said}"
    if case.family in (Family.COHORT, Family.LOOP) and gap_changed(moves):
        return Origin.MODEL_INDUCED, f"both cohorts moved, exposed people otherwise than the holdout: {said}"
    if case.family is Family.COHORT:
        return (
            Origin.MODEL_INDUCED,
            f"exposed people differ from a randomised holdout, as they did before; what is new moved both: {said}",
        )
    return Origin.EXTERNAL_DRIFT, f"exposed and held-out people moved alike: {said}"


_VERSIONS = ("new version", "old version")
_WHO = {
    Sector.EXPOSED: "only people of the new version moved",
    Sector.HOLDOUT: "only people of the old version moved",
    Sector.APART: "people of the two versions moved in opposite directions",
    Sector.BOTH: "people of the new version moved otherwise than those of the old",
    Sector.UNDECIDED: "",
}


def _between_versions(case: Case) -> tuple[Origin, str]:
    """Of people drawn at random to one of two versions: what only one did to its own is the version's, what both did is open."""
    compares = case.family in (Family.COHORT, Family.LOOP)
    if isinstance(case.moves, str):
        who, said = "", case.moves
    else:
        where, said = sector(case.moves), told(case.moves, _VERSIONS)
        if where is Sector.BOTH and not compares:
            return (
                Origin.UNKNOWN,
                f"people of both versions moved alike, by the loop they share or by the world: {said}",
            )
        who = _WHO[where] if where is not Sector.BOTH or gap_changed(case.moves) else ""
    if who:
        return Origin.VERSION_CHANGE, f"{who}: {said}"
    if case.family is Family.COHORT:
        return Origin.VERSION_CHANGE, f"people drawn to the new version differ from those drawn to the old; {said}"
    return _by_time(case, f"nothing tells who moved: {said}")


def _without_people(case: Case) -> tuple[Origin, str]:
    """Of what the model chooses and of what is drawn at random for the same people; by time alone where nothing is drawn."""
    moves = case.moves
    if case.compared is not Comparison.SLICE or isinstance(moves, str):
        return _by_time(case, case.alone)
    where, said = sector(moves), told(moves, ("chosen", "drawn at random"))
    if where is Sector.HOLDOUT or (where is Sector.BOTH and not gap_changed(moves)):
        return Origin.EXTERNAL_DRIFT, f"what may be drawn moved, so the catalogue did: {said}"
    beginning = "only what the model chooses moved, not what may be drawn: " if where is Sector.EXPOSED else ""
    return Origin.ASSOCIATED, f"{beginning}{said}; without people held out nobody can tell who leads whom"


def _without_moves(case: Case, why: str) -> tuple[Origin, str]:
    if case.family is Family.COHORT:
        return Origin.MODEL_INDUCED, f"the exposed differ from a randomised holdout seen in the same windows; {why}"
    return _by_time(case, why)


def _by_time(case: Case, why: str) -> tuple[Origin, str]:
    """What the times of changes alone suggest; `why` the cohorts do not tell."""
    if case.detector == "missing_rate":
        return Origin.DATA_QUALITY, f"what is missing never reached us; {why}"
    if case.watched is not Watched.INPUT and case.versions is Versions.CHANGED:
        return Origin.VERSION_CHANGE, f"it began when {case.version}: associated by its time alone, for {why}"
    if case.watched is Watched.OUTPUT and case.versions is Versions.SAME and not case.randomised:
        if case.inputs_moved:
            return (
                Origin.UNKNOWN,
                f"no version changed, but its inputs moved as well ({', '.join(case.inputs_moved)}); {why}",
            )
        return Origin.SILENT_CHANGE, f"what the model puts out changed and no version did; by its time alone, for {why}"
    if case.family in (Family.COHORT, Family.LOOP) and not case.randomised:
        return Origin.ASSOCIATED, why
    return Origin.UNKNOWN, why


def recomputed(detail: dict[str, object]) -> Moves:
    """The moves that `detail["origin"]` of a stored finding was decided by. KeyError where it holds none."""
    stored = detail["origin"]
    if not isinstance(stored, dict):
        raise KeyError("origin")
    sides = {who: Move(**stored[who]) for who in ("exposed", "held_out")}
    return Moves(**sides, name=stored["name"], relative=stored["relative"])
