"""The composite: opens with a part under green engagement, speaks for its parts, ends with the last of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from monitor.alerting.alert import Alert, Kind, Phase, Severity
from monitor.alerting.composite import DASHBOARD, Closing, Composed, compose
from monitor.alerting.green import composite_message
from monitor.alerting.message import TEXT_LIMIT, Context
from monitor.alerting.policy import Policy
from monitor.alerting.routing import Routing, notifications
from monitor.alerting.trend import Direction, Read, trend
from monitor.watch.finding import Finding, Origin

DAY = 86_400_000
READ = Read("clicks.engagement", "clicks", tolerated=0.05)
POLICY = Policy()


def finding(watch: str, detector: str, **evidence: Any) -> Finding:
    given: dict[str, Any] = {"mode": Mode.RECOVERING, "n": {"exposed": 3_804, "holdout": 427}} | evidence
    return Finding(
        model="feed",
        watch=watch,
        detector=detector,
        incarnation="i",
        start=3 * DAY,
        end=4 * DAY,
        evidence=Evidence(**given),
        origin=Origin.MODEL_INDUCED,
        origin_reason="the exposed narrowed, a randomised holdout did not",
    )


def engagement(low: float, high: float, against: tuple[float, float] = (-0.03, 0.1)) -> Finding:
    middle = (low + high) / 2
    detail = {"exposed_change": middle, "exposed_low": low, "exposed_high": high}
    detail |= {"holdout_change": 0.01, "holdout_low": -0.04, "holdout_high": 0.06}
    interval = Interval(low=against[0], high=against[1], kind="recent")
    return finding("clicks.engagement", "engagement", mode=Mode.WATCHING, interval=interval, detail=detail)


UP, FLAT, DOWN = engagement(0.02, 0.1), engagement(-0.02, 0.03), engagement(-0.2, -0.1)


def alert(
    watch: str,
    severity: Severity = Severity.WARN,
    phase: Phase = Phase.FIRING,
    origin: Origin = Origin.MODEL_INDUCED,
    frozen: str = "",
    detector: str = "",
) -> Alert:
    sized = {"effect": -0.61, "relative": -0.61, "unit": "share", "arms": {"exposed": 0.39, "holdout": 1.0}}
    interval = Interval(low=-0.63, high=-0.59, kind="recent")
    found = finding(watch, detector or watch, interval=interval, crossing=Crossing.WARN, **sized)
    found = msgspec.structs.replace(found, origin=origin)
    return Alert(
        id=f"{watch}-1",
        model="feed",
        watch=watch,
        labels={"metric": watch},
        phase=phase,
        severity=severity,
        opened_at=4 * DAY,
        since=2 * DAY,
        finding=found,
        first=found,
        frozen=frozen,
    )


NARROW, SAME = alert("concentration"), alert("homogenisation")


def composed(
    *alerts: Alert,
    read: Finding | None = UP,
    before: Alert | None = None,
    spoke: tuple[str, ...] | None = None,
    policy: Policy = POLICY,
    now: int = 4 * DAY,
    remedies: tuple[str, ...] = (),
    ended: tuple[str, ...] = (),
    reads: tuple[Read, ...] | list[Read] = (READ,),
    newest: Mapping[str, Finding] | None = None,
) -> Composed:
    closing = Closing(
        model="feed",
        incarnation="i",
        start=3 * DAY,
        now=now,
        alerts={a.watch: a for a in alerts},
        newest=dict(newest or {}) | ({} if read is None else {"clicks.engagement": read}),
        standings={"concentration": "watching/ok/none"},
        spoke=frozenset(a.watch for a in alerts) if spoke is None else frozenset(spoke),
        ended=frozenset(ended),
        remedies=remedies,
    )
    return compose(policy, before, reads, closing)


def opened(*alerts: Alert, **given: Any) -> Alert:
    found = composed(*alerts, **given).decision.alert
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("read", "direction"),
    [
        (UP, Direction.UP),
        (FLAT, Direction.FLAT),
        (DOWN, Direction.DOWN),
        (engagement(0.02, 0.1, against=(-0.3, -0.1)), Direction.DOWN),
        (engagement(-0.3, 0.35), Direction.UNSETTLED),
        (engagement(-0.051, 0.02), Direction.UNSETTLED),
        (engagement(-0.049, 0.02), Direction.FLAT),
    ],
)
def test_engagement_is_green_where_it_rises_or_its_interval_stays_above_the_tolerated_fall(
    read: Finding, direction: Direction
) -> None:
    told = trend(READ, read, 4 * DAY)
    assert told is not None
    assert told.direction is direction
    assert (composed(NARROW, read=read).decision.alert is not None) == direction.is_green


def test_where_less_is_better_the_directions_are_swapped() -> None:
    bounces = Read("clicks.engagement", "bounces", better="lower", tolerated=0.05)
    told = [trend(bounces, f, 4 * DAY) for f in (DOWN, engagement(0.1, 0.2, against=(0.1, 0.2)))]
    assert [t.direction for t in told if t is not None] == [Direction.UP, Direction.DOWN]


def test_a_wide_interval_is_no_green_and_says_so() -> None:
    made = composed(NARROW, read=engagement(-0.3, 0.35))
    assert made.decision.alert is None
    assert made.covers == frozenset()
    assert made.finding.evidence.standing is Standing.INSUFFICIENT
    assert "too little is known of engagement" in made.finding.evidence.reason


@pytest.mark.parametrize(
    ("days_later", "told", "as_of"), [(0, True, False), (2, True, True), (6, True, True), (7, False, False)]
)
def test_a_reading_is_told_with_its_date_once_a_later_one_is_due_and_not_at_all_when_it_is_old(
    *, days_later: int, told: bool, as_of: bool
) -> None:
    """Outcomes mature for three days here, so a reading is due that much after the end of its day."""
    read = Read("clicks.engagement", "clicks", tolerated=0.05, window=DAY, lag=3 * DAY if days_later > 2 else 0)
    seen = trend(read, UP, (4 + days_later) * DAY)
    assert (seen is not None) == told
    assert (seen is not None and seen.as_of == 4 * DAY) == as_of
    made = composed(NARROW, now=(4 + days_later) * DAY, reads=[read])
    assert (made.decision.alert is not None) == told
    if made.decision.alert is not None:
        text = composite_message(made.decision.alert, Kind.FIRING, Context(model="feed"))[1]
        assert ("(as of 05 Jan 1970 00:00 UTC: what came later could not be judged)" in text) == as_of


def test_a_part_that_a_change_of_the_config_took_out_has_not_recovered_though_the_others_have() -> None:
    both = opened(NARROW, SAME)
    without = composed(NARROW, before=both, spoke=()).decision.alert
    assert without is not None
    for before in (both, without):
        ended = composed(before=before, ended=("concentration",)).decision
        assert ended.notify == (Kind.CLOSED, Severity.WARN)
        assert ended.alert is not None
        title, text = composite_message(ended.alert, Kind.CLOSED, Context(model="feed"))
        assert title.endswith(": closed, not recovered")
        assert (
            "Closed: homogenisation left by a change of the config, so nobody knows how it stands; "
            "every other part of it has recovered." in text
        )
    assert without.finding.evidence.detail["left"] == ["homogenisation"]
    again = composed(NARROW, SAME, before=without, spoke=()).decision.alert
    assert again is not None
    assert "left" not in again.finding.evidence.detail
    over = composed(before=again, ended=("concentration", "homogenisation")).decision
    assert over.notify == (Kind.RESOLVED, Severity.WARN)


def test_a_reading_that_could_not_be_judged_tells_nothing_and_the_composite_stays_shut() -> None:
    blind = msgspec.structs.replace(UP, evidence=msgspec.structs.replace(UP.evidence, standing=Standing.BLIND))
    for read in (blind, None):
        made = composed(NARROW, read=read)
        assert made.decision.alert is None
        assert made.covers == frozenset()
        assert made.finding.evidence.standing is Standing.INSUFFICIENT


def test_it_opens_with_a_part_speaks_for_all_of_them_and_is_as_loud_as_the_loudest() -> None:
    made = composed(NARROW, alert("divergence", Severity.PAGE))
    assert made.decision.notify == (Kind.FIRING, Severity.PAGE)
    assert made.covers == {"concentration", "divergence"}
    assert [p["watch"] for p in made.finding.evidence.detail["parts"]] == ["divergence", "concentration"]
    assert (made.finding.evidence.change_at, made.finding.origin) == (2 * DAY, Origin.MODEL_INDUCED)
    assert composed(alert("divergence", Severity.PAGE), policy=Policy(may_page=False)).decision.notify == (
        Kind.FIRING,
        Severity.WARN,
    )


def test_it_does_not_open_later_than_its_parts() -> None:
    assert composed(NARROW, spoke=()).decision.alert is None


def test_a_part_of_unknown_origin_does_not_open_it_but_is_listed_once_another_has() -> None:
    floor = alert("training_health", origin=Origin.UNKNOWN)
    alone = composed(floor)
    assert (alone.decision.alert, alone.covers) == (None, frozenset())
    both = composed(floor, NARROW, spoke=("concentration",))
    assert [p["watch"] for p in both.finding.evidence.detail["parts"]] == ["concentration", "training_health"]


@pytest.mark.parametrize("origin", [Origin.EXTERNAL_DRIFT, Origin.HOLDOUT_ANOMALY, Origin.DATA_QUALITY])
def test_a_part_whose_cause_lies_elsewhere_speaks_for_itself(origin: Origin) -> None:
    assert composed(alert("concentration", origin=origin)).covers == frozenset()
    made = composed(alert("concentration", origin=origin), SAME)
    assert made.covers == {"homogenisation"}


def test_a_part_that_joins_is_listed_without_a_message_unless_it_is_louder() -> None:
    before = opened(NARROW)
    joined = composed(NARROW, SAME, before=before)
    assert joined.decision.notify is None
    assert joined.decision.alert is not None
    assert [p["watch"] for p in joined.decision.alert.finding.evidence.detail["parts"]] == [
        "concentration",
        "homogenisation",
    ]
    assert joined.covers == {"concentration", "homogenisation"}
    louder = composed(NARROW, alert("divergence", Severity.PAGE), before=before)
    assert louder.decision.notify == (Kind.ESCALATED, Severity.PAGE)
    assert louder.decision.alert is not None
    assert louder.decision.alert.id == before.id


def test_it_stays_open_when_engagement_falls_and_ends_with_its_last_part() -> None:
    both = opened(NARROW, SAME)
    one = composed(NARROW, read=DOWN, before=both, spoke=(), ended=("homogenisation",))
    assert one.decision.notify is None
    assert one.decision.alert is not None
    assert one.covers == {"concentration", "homogenisation"}
    over = composed(before=one.decision.alert, now=9 * DAY, ended=("concentration",))
    assert over.decision.notify == (Kind.RESOLVED, Severity.WARN)
    assert over.decision.alert is not None
    assert (over.decision.alert.phase, over.decision.alert.resolved_at) == (Phase.RESOLVED, 9 * DAY)
    assert over.finding.evidence.crossing is Crossing.RECOVERED
    assert over.covers == {"concentration"}


def test_parts_that_are_taken_out_of_the_config_have_not_recovered() -> None:
    made = composed(before=opened(NARROW), now=9 * DAY)
    assert made.decision.notify == (Kind.CLOSED, Severity.WARN)
    assert made.finding.evidence.crossing is Crossing.NONE
    title, text = sent(made)
    assert title.endswith("fewer different items than before, -61 %: closed, not recovered")
    assert "recovered" not in text
    assert "(concentration)" in text


def test_a_part_stays_listed_though_its_cause_is_told_otherwise_later() -> None:
    before = opened(NARROW)
    made = composed(alert("concentration", origin=Origin.EXTERNAL_DRIFT), before=before, spoke=())
    assert made.decision.alert is not None
    assert made.decision.alert.phase is Phase.FIRING


def test_a_page_is_told_by_itself_where_the_composite_may_not_page() -> None:
    quiet = Policy(may_page=False)
    paging = alert("divergence", Severity.PAGE)
    at_once = composed(NARROW, paging, policy=quiet)
    assert at_once.decision.notify == (Kind.FIRING, Severity.WARN)
    assert at_once.covers == {"concentration"}
    later = composed(NARROW, paging, policy=quiet, before=opened(NARROW, policy=quiet), spoke=("divergence",))
    assert later.covers == {"concentration"}
    ended = composed(NARROW, policy=quiet, before=later.decision.alert, spoke=(), ended=("divergence",))
    assert ended.covers == {"concentration"}


def test_harm_that_joins_without_a_word_of_the_composite_speaks_for_itself() -> None:
    before = opened(alert("concentration", Severity.PAGE))
    harm = alert("divergence", Severity.PAGE)
    joined = composed(NARROW, harm, before=before, spoke=("divergence",))
    assert joined.decision.notify is None
    assert joined.covers == {"concentration"}
    gone = composed(NARROW, before=joined.decision.alert, spoke=(), ended=("divergence",))
    assert gone.covers == {"concentration"}


def test_a_page_that_comes_after_the_last_one_has_ended_is_heard() -> None:
    loud = alert("homogenisation", Severity.PAGE)
    before = opened(NARROW, loud)
    calm = composed(NARROW, before=before, spoke=(), ended=("homogenisation",))
    assert calm.covers == {"concentration", "homogenisation"}
    again = composed(NARROW, loud, before=calm.decision.alert, spoke=("homogenisation",))
    assert again.decision.notify is None
    assert again.covers == {"concentration"}


def test_a_part_that_was_told_before_it_opened_is_told_when_it_ends() -> None:
    before = opened(NARROW, SAME, spoke=("homogenisation",))
    over = composed(SAME, before=before, spoke=(), ended=("concentration",))
    assert over.covers == {"homogenisation"}


def test_it_is_frozen_while_all_its_parts_are() -> None:
    before = opened(NARROW, SAME)
    frozen = alert("concentration", frozen="blind: the holdout is broken")
    some = composed(frozen, SAME, before=before).decision.alert
    every = composed(frozen, alert("homogenisation", frozen=frozen.frozen), before=before).decision.alert
    assert some is not None
    assert every is not None
    assert (some.frozen, every.frozen) == ("", "blind: the holdout is broken")
    again = composed(NARROW, SAME, before=every)
    assert again.decision.notify is None
    assert again.decision.alert is not None
    assert again.decision.alert.frozen == ""


def sent(made: Composed, **context: Any) -> tuple[str, str]:
    assert made.decision.alert is not None
    assert made.decision.notify is not None
    kind, _ = made.decision.notify
    told = notifications(made.decision.alert, kind, Routing(("oncall",), ("digest",)), Context("feed", **context), 0)
    assert [n.destination for n in told] == ["digest"]
    return told[0].title, told[0].text


def test_the_message_has_both_halves_sizes_people_and_honest_words() -> None:
    title, text = sent(composed(NARROW, SAME))
    assert title == (
        "feed: clicks up, and beneath it exposed people see fewer different items than before, -61 %: warn"
    )
    assert "*Green:* clicks up: +6.0 % since the baseline [+2 to +10]; held-out people +1.0 % [-4 to +6]" in text
    assert "concentration       -61 %        0 %" in text
    assert "people              3,804        427" in text
    assert "*Exposure risk, no proof of harm:*" in text
    assert "-61 % [-63 to -59], since about 03 Jan 1970 00:00 UTC; exposed 3,804, holdout 427 (concentration)" in text
    assert "*Likely origin: the model. The exposed narrowed, a randomised holdout did not.*" in text
    assert "none of these measures quality" in text
    assert "items that the exposed made popular" in text
    assert "loopwatch remedies feed" in text
    assert "Harm" not in text


LABELS: dict[str, Any] = {
    "all_labels": 2_000,
    "people": 900,
    "organic_people": 80,
    "organic_share": 0.05,
    "exploration_share": 0.0,
    "not_by_the_model": {"low": 0.04, "high": 0.06},
    "labels_caused_by_the_model": 0.95,
}


def test_a_part_that_knows_who_brought_about_the_labels_says_so_and_others_keep_no_room_for_it() -> None:
    floor = alert("training_health")
    found = msgspec.structs.replace(
        floor.finding, evidence=msgspec.structs.replace(floor.finding.evidence, detail=LABELS)
    )
    made = composed(NARROW, msgspec.structs.replace(floor, finding=found, first=found))
    _, text = sent(made)
    assert "(training_health); of 2,000 labels the model itself caused 95.0% [94.0% to 96.0%]" in text
    assert [("labels" in part) for part in made.finding.evidence.detail["parts"]] == [False, True]


@pytest.mark.parametrize("listed", [False, True])
def test_who_brought_about_the_labels_is_said_once_also_where_the_training_set_is_well(*, listed: bool) -> None:
    well = finding("training_health", "training_health", mode=Mode.WATCHING, detail=LABELS)
    parts = (NARROW, alert("training_health")) if listed else (NARROW,)
    _, text = sent(composed(*parts, newest={"training_health": well}))
    assert text.count(" labels the model itself caused ") == 1
    line = "*What the next model learns from* (period to 05 Jan 1970 00:00 UTC): of 2,000 labels the model itself caused 95.0% "
    assert (line in text) is not listed
    assert "What the next model learns from" not in sent(composed(*parts))[1]


def test_only_divergence_is_called_harm() -> None:
    _, text = sent(composed(NARROW, alert("divergence")))
    assert text.index("*Harm, measured against the holdout:*") < text.index("*Exposure risk")
    assert "none of these measures quality" not in text


def test_an_interval_stands_beside_the_size_that_it_is_of() -> None:
    tail = alert("tail_collapse")
    evidence = msgspec.structs.replace(
        tail.finding.evidence, effect=-0.25, relative=-0.75, interval=Interval(low=-0.27, high=-0.23, kind="recent")
    )
    found = msgspec.structs.replace(tail.finding, evidence=evidence)
    _, text = sent(composed(msgspec.structs.replace(tail, finding=found, first=found)))
    assert "-25 points [-27 to -23]" in text


def test_a_figure_that_is_no_number_reads_the_same_after_a_restart() -> None:
    tail = alert("concentration")
    open_ended = Interval(low=float("-inf"), high=-0.1, kind="recent")
    evidence = msgspec.structs.replace(
        tail.finding.evidence, arms={"exposed": 0.4, "holdout": float("nan")}, interval=open_ended
    )
    found = msgspec.structs.replace(tail.finding, evidence=evidence)
    made = opened(msgspec.structs.replace(tail, finding=found, first=found), SAME)
    stored = msgspec.json.decode(msgspec.json.encode(made), type=Alert)
    context = Context("feed")
    assert composite_message(stored, Kind.FIRING, context) == composite_message(made, Kind.FIRING, context)
    assert composed(NARROW, SAME, before=stored, spoke=()).decision.notify is None


def test_what_was_tried_is_quoted_and_foreign_text_is_harmless() -> None:
    _, text = sent(composed(NARROW, remedies=("at 4 % exploration the gain falls to .25 [.2 to .3].", "<!channel>")))
    assert "*Tried in a simulation:* at 4 % exploration the gain falls to .25 [.2 to .3]. &lt;!channel&gt;" in text


def test_its_end_says_how_long_it_lasted_and_with_what_it_began() -> None:
    title, text = sent(composed(before=opened(NARROW), now=9 * DAY, ended=("concentration",)))
    assert title.endswith("fewer different items than before, -61 %: resolved")
    assert "*Lasted* 7 d:" in text
    assert "(concentration)" in text


def test_many_parts_fit_a_message() -> None:
    names = [f"part-{n}-{'x' * 60}" for n in range(30)]
    _, text = sent(composed(*(alert(name, detector="concentration") for name in names)))
    assert len(text) <= TEXT_LIMIT
    assert "*Next:*" in text
    assert "and 24 more" in text


def test_it_is_known_by_its_own_name() -> None:
    made = opened(NARROW)
    assert (made.watch, made.finding.detector, made.labels["detector"]) == (DASHBOARD, DASHBOARD, DASHBOARD)
