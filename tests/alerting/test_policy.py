"""What every rule of the policy answers."""

from __future__ import annotations

import msgspec
import pytest

from detectors.evidence import Crossing, Standing
from monitor.alerting.alert import Alert, Kind, Phase, Severity
from monitor.alerting.policy import RULES, Policy, alert_id, decide
from tests.alerting.examples import HOUR, T0, alert, evidence, finding

NOW = T0 + 2 * HOUR
OK, C, S, P, K, PLAIN = Standing.OK, Crossing, Standing, Phase, Kind, Policy()
WARN, PAGE, CRITICAL = Severity.WARN, Severity.PAGE, Severity.CRITICAL
PENDING = alert(WARN, Phase.PENDING)
RECOVERED = msgspec.structs.replace(alert(), finding=finding(NOW - HOUR, evidence(Crossing.RECOVERED)))

Heard = tuple[Kind, Severity] | None
Stands = tuple[Phase, Severity] | None

TABLE: dict[str, tuple[Policy, Alert | None, Crossing, Standing, Stands, Heard, str]] = {
    "nothing crossed":
        (PLAIN, None, C.NONE, OK, None, None, "ok"),
    "nothing new about an open alert":
        (PLAIN, alert(), C.NONE, OK, (P.FIRING, PAGE), None, "nothing changed"),
    "a warn opens":
        (PLAIN, None, C.WARN, OK, (P.FIRING, WARN), (K.FIRING, WARN), "warn bound"),
    "a page opens":
        (PLAIN, None, C.PAGE, OK, (P.FIRING, PAGE), (K.FIRING, PAGE), "page bound"),
    "a page that may not page warns":
        (Policy(may_page=False), None, C.PAGE, OK, (P.FIRING, WARN), (K.FIRING, WARN), "may not page"),
    "a hint warns":
        (Policy(may_page=False, hint=True), None, C.PAGE, OK, (P.FIRING, WARN), (K.FIRING, WARN), "a hint never pages"),
    "a hint that may page pages":
        (Policy(hint=True), None, C.PAGE, OK, (P.FIRING, PAGE), (K.FIRING, PAGE), "page bound"),
    "critical opens nothing":
        (PLAIN, None, C.CRITICAL, OK, None, None, "relabels an open page only"),
    "critical leaves a warning":
        (PLAIN, alert(WARN), C.CRITICAL, OK, (P.FIRING, WARN), None, "relabels an open page only"),
    "critical relabels a page":
        (PLAIN, alert(PAGE), C.CRITICAL, OK, (P.FIRING, CRITICAL), (K.ESCALATED, CRITICAL), "from page to critical"),
    "a page raises a warning":
        (PLAIN, alert(WARN), C.PAGE, OK, (P.FIRING, PAGE), (K.ESCALATED, PAGE), "from warn to page"),
    "a page that may not page raises nothing":
        (Policy(may_page=False), alert(WARN), C.PAGE, OK, (P.FIRING, WARN), None, "nothing changed"),
    "a warn below a page is not told":
        (PLAIN, alert(PAGE), C.WARN, OK, (P.FIRING, PAGE), None, "nothing changed"),
    "a page below critical is not told":
        (PLAIN, alert(CRITICAL), C.PAGE, OK, (P.FIRING, CRITICAL), None, "nothing changed"),
    "recovery resolves":
        (PLAIN, alert(), C.RECOVERED, OK, (P.RESOLVED, PAGE), (K.RESOLVED, PAGE), "resolved"),
    "recovery is silent if it shall be":
        (Policy(send_resolved=False), alert(), C.RECOVERED, OK, (P.RESOLVED, PAGE), None, "resolved"),
    "recovery of nothing":
        (PLAIN, None, C.RECOVERED, OK, None, None, "ok"),
    "a warn with `for` is pending":
        (Policy(hold_for_ms=HOUR), None, C.WARN, OK, (P.PENDING, WARN), None, "pending"),
    "pending waits":
        (Policy(hold_for_ms=3 * HOUR), PENDING, C.NONE, OK, (P.PENDING, WARN), None, "nothing changed"),
    "pending fires when held":
        (Policy(hold_for_ms=HOUR), PENDING, C.NONE, OK, (P.FIRING, WARN), (K.FIRING, WARN), "as long as its `for`"),
    "pending is raised unheard":
        (Policy(hold_for_ms=3 * HOUR), PENDING, C.PAGE, OK, (P.PENDING, PAGE), None, "pending at page"),
    "pending is raised and fires when held":
        (Policy(hold_for_ms=HOUR), PENDING, C.PAGE, OK, (P.FIRING, PAGE), (K.FIRING, PAGE), "as long as its `for`"),
    "pending that recovers is dropped unheard":
        (Policy(hold_for_ms=HOUR), PENDING, C.RECOVERED, OK, (P.RESOLVED, WARN), None, "before its `for`"),
    "pending does not fire while blind":
        (Policy(hold_for_ms=HOUR), PENDING, C.NONE, S.BLIND, (P.PENDING, WARN), None, "frozen"),
    "recovery is waited out":
        (Policy(keep_firing_for_ms=2 * HOUR), alert(), C.RECOVERED, OK, (P.FIRING, PAGE), None, "kept firing"),
    "the wait goes on":
        (Policy(keep_firing_for_ms=2 * HOUR), RECOVERED, C.NONE, OK, (P.FIRING, PAGE), None, "nothing changed"),
    "the wait is over":
        (Policy(keep_firing_for_ms=HOUR), RECOVERED, C.NONE, OK, (P.RESOLVED, PAGE), (K.RESOLVED, PAGE), "resolved"),
    "a crossing ends the wait":
        (Policy(keep_firing_for_ms=HOUR), RECOVERED, C.WARN, OK, (P.FIRING, PAGE), None, "crossed again"),
    "a resolved alert counts as none":
        (PLAIN, alert(phase=Phase.RESOLVED), C.WARN, OK, (P.FIRING, WARN), (K.FIRING, WARN), "warn bound"),
    "no data is no verdict":
        (PLAIN, alert(), C.RECOVERED, S.STALE, (P.FIRING, PAGE), None, "frozen"),
    "a watch on arrival opens though stale":
        (PLAIN, None, C.PAGE, S.STALE, (P.FIRING, PAGE), (K.FIRING, PAGE), "page bound"),
    "a watch on arrival is raised though stale":
        (PLAIN, alert(WARN), C.PAGE, S.STALE, (P.FIRING, PAGE), (K.ESCALATED, PAGE), "from warn to page"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "before", "crossing", "standing", "stands", "heard", "why"), TABLE.values(), ids=TABLE
)
def test_the_policy_answers(
    policy: Policy, before: Alert | None, crossing: Crossing, standing: Standing, stands: Stands, heard: Heard, why: str
) -> None:
    decision = decide(policy, before, finding(NOW, evidence(crossing, standing)), NOW)
    after = decision.alert
    assert (None if after is None else (after.phase, after.severity)) == stands
    assert decision.notify == heard
    assert why in decision.reason


UNJUDGED = (Standing.INSUFFICIENT, Standing.BLIND, Standing.NOT_COMPUTABLE)


@pytest.mark.parametrize("standing", UNJUDGED)
@pytest.mark.parametrize("crossing", list(Crossing))
def test_a_window_that_was_not_judged_neither_opens_nor_resolves(standing: Standing, crossing: Crossing) -> None:
    seen = finding(NOW, evidence(crossing, standing, reason="the holdout leaks"))
    assert decide(Policy(), None, seen, NOW).alert is None
    kept = decide(Policy(), alert(), seen, NOW)
    assert kept.notify is None
    assert kept.alert == msgspec.structs.replace(alert(), frozen=f"{standing}: the holdout leaks")


def test_a_frozen_alert_thaws_with_the_first_judged_window() -> None:
    frozen = msgspec.structs.replace(alert(), frozen="blind: the holdout leaks")
    assert decide(Policy(), frozen, finding(NOW, evidence()), NOW).alert == alert()
    resolved = decide(Policy(), frozen, finding(NOW, evidence(Crossing.RECOVERED)), NOW)
    assert resolved.notify == (Kind.RESOLVED, PAGE)
    assert resolved.alert is not None
    assert resolved.alert.frozen == ""


def test_an_opened_alert_remembers_its_occasion() -> None:
    seen = finding(NOW, evidence(Crossing.PAGE))
    opened = decide(Policy(labels={"team": "feed", "metric": "reads"}), None, seen, NOW).alert
    assert opened is not None
    assert opened.id == alert_id("feed-ranker", "reads-cohort", NOW)
    assert len(opened.id) == 8
    assert opened.labels == {
        "model": "feed-ranker",
        "watch": "reads-cohort",
        "detector": "cohort_bounded",
        "team": "feed",
        "metric": "reads",
    }
    assert (opened.opened_at, opened.since, opened.first, opened.finding) == (NOW, T0, seen, seen)


def test_every_rule_answers_only_what_it_is_for() -> None:
    """With nothing to say about an ordinary window, each rule leaves the word to the next."""
    ordinary = finding(NOW, evidence())
    for rule in RULES:
        assert rule(Policy(), alert(), ordinary, NOW) is None
        assert rule(Policy(), None, ordinary, NOW) is None


def test_an_incident_of_many_windows_is_told_once_and_recovers_once() -> None:
    crossings = [Crossing.WARN, *[Crossing.NONE] * 500, Crossing.PAGE, *[Crossing.WARN] * 50, Crossing.RECOVERED]
    crossings += [Crossing.NONE] * 500
    standing: Alert | None = None
    heard = []
    for window, crossing in enumerate(crossings):
        now = T0 + window * 300_000
        decision = decide(Policy(), standing, finding(now, evidence(crossing)), now)
        standing = decision.alert
        heard += [decision.notify] if decision.notify else []
    assert heard == [(Kind.FIRING, WARN), (Kind.ESCALATED, PAGE), (Kind.RESOLVED, PAGE)]
