"""Who is told of what."""

from __future__ import annotations

import pytest

from detectors.evidence import Crossing
from monitor.alerting.alert import Alert, Kind, Severity
from monitor.alerting.message import Context
from monitor.alerting.rehearsal import Rehearsal
from monitor.alerting.routing import REHEARSED, Routing, notifications
from tests.alerting.examples import HOUR, T0, alert, evidence, finding

ROUTING = Routing(page=("oncall",), digest=("ml",))
RAISED = alert(Severity.PAGE, first=finding(T0, evidence(Crossing.WARN)))


@pytest.mark.parametrize(
    ("told", "kind", "routing", "rehearsal", "expected"),
    [
        (alert(Severity.INFO), Kind.FIRING, ROUTING, False, []),
        (alert(Severity.WARN), Kind.FIRING, ROUTING, False, ["ml"]),
        (alert(Severity.PAGE), Kind.FIRING, ROUTING, False, ["oncall"]),
        (alert(Severity.CRITICAL), Kind.ESCALATED, ROUTING, False, ["oncall"]),
        (alert(Severity.PAGE), Kind.FIRING, ROUTING, True, ["ml"]),
        (alert(Severity.PAGE), Kind.RESOLVED, ROUTING, False, ["oncall"]),
        (RAISED, Kind.ESCALATED, ROUTING, False, ["oncall"]),
        (RAISED, Kind.RESOLVED, ROUTING, False, ["oncall", "ml"]),
        (RAISED, Kind.RESOLVED, Routing(page=("all",), digest=("all",)), False, ["all"]),
        (alert(Severity.PAGE), Kind.FIRING, Routing(digest=("ml",)), False, ["ml"]),
        (alert(Severity.WARN), Kind.FIRING, Routing(page=("oncall",)), False, ["oncall"]),
        (alert(Severity.PAGE), Kind.FIRING, Routing(), False, []),
    ],
)
def test_a_message_goes_where_its_severity_belongs(
    told: Alert, kind: Kind, routing: Routing, rehearsal: bool, expected: list[str]
) -> None:
    rows = notifications(told, kind, routing, Context("feed-ranker", rehearsal=rehearsal), T0)
    assert [row.destination for row in rows] == expected


def test_a_rehearsed_page_says_that_it_would_have_paged() -> None:
    context = Context("feed-ranker", rehearsal=True)
    (page,) = notifications(alert(), Kind.FIRING, ROUTING, context, T0)
    assert page.rehearsal
    assert page.title.startswith(REHEARSED + "feed-ranker: ")
    (warning,) = notifications(alert(Severity.WARN), Kind.FIRING, ROUTING, context, T0)
    assert not warning.rehearsal
    assert warning.title.startswith("feed-ranker: ")


def test_the_key_names_the_occasion_and_nothing_else() -> None:
    both = Routing(page=("a", "b"))
    first = notifications(alert(), Kind.FIRING, both, Context("feed-ranker"), T0)
    again = notifications(alert(), Kind.FIRING, both, Context("other", budget="2nd page"), T0 + HOUR)
    assert (
        [row.key for row in first] == [row.key for row in again] == ["1a2b3c4d-firing-page-a", "1a2b3c4d-firing-page-b"]
    )


@pytest.mark.parametrize(
    ("rehearsal", "now", "rehearses"),
    [
        (Rehearsal(armed=True, first_event=T0), T0, False),
        (Rehearsal(first_event=None), T0, True),
        (Rehearsal(first_event=T0, duration_ms=HOUR), T0 + HOUR - 1, True),
        (Rehearsal(first_event=T0, duration_ms=HOUR), T0 + HOUR, False),
        (Rehearsal(first_event=None, duration_ms=0), T0, False),
    ],
)
def test_a_rehearsal_ends_in_event_time(rehearsal: Rehearsal, now: int, rehearses: bool) -> None:
    assert rehearsal.at(now) is rehearses
