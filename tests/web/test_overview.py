"""One word a watch; what could not be judged is never ok."""

from __future__ import annotations

import pytest

from detectors.evidence import Evidence, Interval, Mode, Standing
from monitor.alerting.alert import Alert, Phase, Severity
from monitor.watch.finding import Finding
from monitor.web.overview import SHOW_RESOLVED_MS, State, effect, row, section

END = 1_700_000_000_000


def finding(
    watch: str = "clicks", *, end: int = END, standing: Standing = Standing.OK, learning: bool = False
) -> Finding:
    mode = Mode.LEARNING if learning else Mode.WATCHING
    evidence = Evidence(mode=mode, standing=standing, reason="because", n={"exposed": 25_000, "holdout": 1_000})
    return Finding(model="feed", watch=watch, detector="d", incarnation="1", start=end - 1, end=end, evidence=evidence)


def alert(phase: Phase, watch: str = "clicks", *, resolved_at: int | None = None, frozen: str = "") -> Alert:
    return Alert(
        id="7f3",
        model="feed",
        watch=watch,
        labels={},
        phase=phase,
        severity=Severity.PAGE,
        opened_at=END - 1000,
        since=END - 900,
        finding=finding(watch),
        first=finding(watch),
        resolved_at=resolved_at,
        frozen=frozen,
    )


JUST_RESOLVED = alert(Phase.RESOLVED, resolved_at=END)
LONG_RESOLVED = alert(Phase.RESOLVED, resolved_at=END - SHOW_RESOLVED_MS)


@pytest.mark.parametrize(
    ("newest", "known_alert", "state"),
    [
        (finding(), None, State.OK),
        (finding(learning=True), None, State.LEARNING),
        (finding(standing=Standing.INSUFFICIENT), None, State.INSUFFICIENT),
        (finding(standing=Standing.BLIND), None, State.BLIND),
        (finding(standing=Standing.NOT_COMPUTABLE), None, State.NOT_COMPUTABLE),
        (finding(standing=Standing.STALE), None, State.STALE),
        (finding(standing=Standing.STALE, learning=True), None, State.STALE),
        (finding(), alert(Phase.PENDING), State.PENDING),
        (finding(), alert(Phase.FIRING), State.FIRING),
        (finding(standing=Standing.BLIND), alert(Phase.FIRING), State.FIRING),
        (finding(), JUST_RESOLVED, State.RESOLVED),
        (finding(), LONG_RESOLVED, State.OK),
        (finding(standing=Standing.BLIND), JUST_RESOLVED, State.BLIND),
        (finding(learning=True), JUST_RESOLVED, State.LEARNING),
        (None, None, State.INSUFFICIENT),
        (None, alert(Phase.FIRING), State.FIRING),
        (None, JUST_RESOLVED, State.INSUFFICIENT),
    ],
)
def test_the_state_of_every_combination(newest: Finding | None, known_alert: Alert | None, state: State) -> None:
    assert row("clicks", newest, known_alert).state is state


def test_every_standing_and_phase_has_a_word_on_the_page() -> None:
    assert {State(standing) for standing in Standing} | {State(phase) for phase in Phase} <= set(State)


def test_a_firing_row_tells_severity_since_and_that_it_is_frozen() -> None:
    made = row("clicks", finding(standing=Standing.BLIND), alert(Phase.FIRING, frozen="sample ratio broken"))
    assert made.severity == "page"
    assert made.since == END - 900
    assert made.reason == "frozen: sample ratio broken"
    assert made.counts == "exposed 25,000, holdout 1,000"


def test_rows_that_need_a_person_come_first_and_none_is_left_out() -> None:
    made = section(
        "feed",
        ["quiet", "new", "broken", "clicks"],
        [finding("quiet"), finding("broken", standing=Standing.BLIND), finding("clicks", end=END + 5)],
        [alert(Phase.FIRING)],
    )
    assert [(r.watch, str(r.state)) for r in made.rows] == [
        ("clicks", "firing"),
        ("broken", "blind"),
        ("new", "insufficient"),
        ("quiet", "ok"),
    ]
    assert made.judged_to == END + 5


def test_an_open_alert_counts_even_if_a_resolved_one_is_listed_before_it() -> None:
    made = section("feed", ["clicks"], [finding()], [JUST_RESOLVED, alert(Phase.FIRING)])
    assert made.rows[0].state is State.FIRING


def test_an_effect_is_told_with_unit_interval_and_relative_size() -> None:
    evidence = Evidence(
        mode=Mode.WATCHING, effect=-0.00518, unit="clicks", relative=-0.755, interval=Interval(low=-0.0061, high=0.0043)
    )
    assert effect(evidence) == "−0.00518 clicks [−0.00610, +0.00430], −75.5 %"  # noqa: RUF001  # a minus sign for people
    assert effect(Evidence(mode=Mode.WATCHING)) == ""
    assert effect(Evidence(mode=Mode.WATCHING, effect=2.0)) == "+2"
