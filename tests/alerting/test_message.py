"""What a message says, and what it never leaves out."""

from __future__ import annotations

import re

import msgspec
import pytest

from detectors.catalogue import DETECTORS
from detectors.detector import Family
from detectors.evidence import Crossing, Interval
from monitor.alerting.alert import Kind, Severity
from monitor.alerting.message import TEXT_LIMIT, TITLE_LIMIT, Context, message, plain
from monitor.alerting.wording import GENERIC, HINT, WORDINGS, wording_of
from monitor.watch.finding import Origin
from tests.alerting.examples import HOUR, T0, alert, evidence, finding
from tests.laws.examples import EXAMPLES

CONTEXT = Context(
    model="feed-ranker",
    team="feed",
    runbook="https://wiki/feed-ranker",
    budget="1st page of this 28 d, at most 1 false expected",
    changes=("version v212 live since 03:58",),
    holdout="sound: 2.00 %, planned 2 %",
)


def tables(text: str) -> list[list[str]]:
    return [block.strip("\n").split("\n") for block in re.findall(r"```(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize(
    ("crossing", "log10_e", "told"),
    [
        (Crossing.WARN, 2.9, "log10 of evidence 2.9, a page needs 3.3"),
        (Crossing.WARN, 3.4, "log10 of evidence 3.4, bound 3.3"),
        (Crossing.PAGE, 3.4, "log10 of evidence 3.4, bound 3.3"),
    ],
)
def test_a_bound_that_is_not_reached_yet_is_that_of_a_page(crossing: Crossing, log10_e: float, told: str) -> None:
    found = finding(T0, evidence(crossing, log10_e=log10_e, threshold=3.3))
    assert told in message(alert(finding=found), Kind.FIRING, CONTEXT)[1]


def test_a_page_says_everything_that_makes_it_believable() -> None:
    title, text = message(alert(), Kind.FIRING, CONTEXT)
    assert title == "feed-ranker: exposed people show lower reads than the holdout, -2.1 %: page"
    assert text.split("\n") == [
        "Page: exposed people show lower reads than the holdout.",
        "*Size:* *-2.1 %*, that is -0.090 points [-0.130 to -0.050] (95 % interval, valid at every look)."
        " Tolerated: 0.040 points.",
        "```",
        "                   value           n",
        "exposed          4.120 %   1,903,412",
        "holdout          4.210 %      38,846",
        "```",
        "*Where:* watch reads-cohort, metric reads, exposed against holdout",
        "*Since:* about 17 Nov 2025 04:00 UTC (found 17 Nov 2025 05:00 UTC, 1 h later)",
        "*Likely origin: the model.* Only exposed people moved, the holdout did not.",
        "*Changed near then:* version v212 live since 03:58",
        "*Cannot know:* whether it lasts. The holdout also sees what exposed people made popular, so the true gap may"
        " be larger.",
        "*Holdout:* sound: 2.00 %, planned 2 %",
        "*Next:* compare the versions live since then; if one of them started it, roll it back."
        " <https://wiki/feed-ranker|runbook>",
        "*Evidence:* `loopwatch status --model feed-ranker --watch reads-cohort` / log10 of evidence 3.2, bound 2.1",
        "key 1a2b3c4d-firing / team feed: 1st page of this 28 d, at most 1 false expected",
    ]


def test_a_recovery_says_how_long_it_lasted_and_what_the_value_is_now() -> None:
    end = T0 + 3 * HOUR + 20 * 60_000
    now = finding(end, evidence(Crossing.RECOVERED, effect=0.0001, relative=None, interval=None))
    title, text = message(msgspec.structs.replace(alert(), finding=now, resolved_at=end), Kind.RESOLVED, CONTEXT)
    assert title == "feed-ranker: exposed people and the holdout agree in reads again: resolved"
    assert "*Lasted* 3 h 20 min: 17 Nov 2025 04:00 UTC to 17 Nov 2025 07:20 UTC." in text
    assert "*Size now:* *+0.010 points* (no interval)." in text
    assert "key 1a2b3c4d-resolved" in text


def test_a_relative_effect_is_not_told_twice() -> None:
    narrowed = evidence(
        effect=-0.41, relative=-0.41, unit="share", interval=Interval(low=-0.46, high=-0.36), margin=0.1
    )
    title, text = message(alert(finding=finding(T0, narrowed, detector="concentration")), Kind.FIRING, CONTEXT)
    assert title == "feed-ranker: exposed people see fewer different items than before, -41 %: page"
    assert "*Size:* *-41 %* [-46 to -36] (95 % interval, valid at every look). Tolerated: 10 points." in text


def test_a_distance_has_no_sign() -> None:
    moved = evidence(effect=0.12, relative=None, unit="KS", interval=Interval(low=0.09, high=0.15), margin=0.02)
    title, text = message(alert(finding=finding(T0, moved, detector="numeric_shift")), Kind.FIRING, CONTEXT)
    assert title == "feed-ranker: the values of reads have moved from their reference, 12 points apart: page"
    assert "*Size:* *12 points apart* [9.0 to 15.0] (95 % interval, valid at every look)." in text


def test_the_share_of_the_holdout_is_told_in_percent() -> None:
    small = evidence(effect=-0.009, relative=-0.18, unit="share of units", arms={"planned": 0.05, "holdout": 0.041})
    title, text = message(alert(finding=finding(T0, small, detector="sample_ratio")), Kind.FIRING, CONTEXT)
    assert title == "feed-ranker: the holdout is smaller than planned, -18 %: page"
    assert "holdout          4.100 %      38,846" in text


def test_the_detectors_own_sentence_is_quoted_once() -> None:
    quiet = evidence(effect=-60.0, relative=-1.0, interval=None, unit="records/min", reason="no records for 20 minutes")
    _, text = message(alert(finding=finding(T0, quiet, detector="freshness")), Kind.FIRING, CONTEXT)
    assert "Page: reads: fewer events come than expected. No records for 20 minutes." in text
    assert "*-100 %*, that is -60 records/min (no interval)." in text
    assert text.count("20 minutes") == 1


def test_an_escalation_says_so() -> None:
    title, _ = message(alert(Severity.CRITICAL), Kind.ESCALATED, CONTEXT)
    assert title.endswith(": now critical")


def test_an_alert_without_size_and_n_says_why() -> None:
    bare = evidence(effect=None, relative=None, interval=None, n={}, arms={}, reason="no unit in the events.")
    _, text = message(alert(finding=finding(T0, bare), since=None), Kind.FIRING, Context(model="m"))
    assert "*Size:* not computable because no unit in the events." in text
    assert "*n:* not computable because no unit in the events." in text
    assert "*Since:* not located; found 17 Nov 2025 05:00 UTC" in text
    assert "*Changed near then:* nothing recorded" in text


def test_values_without_counted_units_are_shown_and_the_missing_n_is_named() -> None:
    _, text = message(alert(finding=finding(T0, evidence(n={}))), Kind.FIRING, CONTEXT)
    assert any("not counted" in row for row in tables(text)[0])
    assert "*n:* not computable because the evidence counts no units." in text


def test_an_infinite_effect_is_not_a_size() -> None:
    odd = evidence(effect=float("inf"), relative=float("nan"))
    _, text = message(alert(finding=finding(T0, odd)), Kind.FIRING, CONTEXT)
    assert "*Size:* not computable" in text


@pytest.mark.parametrize(
    ("kind", "exact", "words"),
    [
        ("since_start", True, "valid at every look)"),
        ("recent", True, "last windows only: descriptive)"),
        ("fresh", False, "only data since the alert opened, for large n)"),
        ("<odd>", True, "&lt;odd&gt;)"),
    ],
)
def test_the_kind_of_the_interval_is_told_in_plain_words(kind: str, exact: bool, words: str) -> None:
    seen = evidence(interval=Interval(low=-1, high=1, kind=kind), exact=exact)
    assert words in message(alert(finding=finding(T0, seen)), Kind.FIRING, CONTEXT)[1]


def test_no_table_is_wider_than_a_phone() -> None:
    arms = {f"segment number {i} `x`": 1e15 for i in range(9)}
    seen = evidence(arms=arms, n=dict.fromkeys(arms, 10**15), unit="milliseconds a request", interval=None)
    _, text = message(alert(finding=finding(T0, seen)), Kind.FIRING, CONTEXT)
    (table,) = tables(text)
    assert max(map(len, table)) <= 36
    assert table[-1] == "and 4 more"


HOSTILE = "<!channel> *x* <script>"


def test_hostile_names_are_text_everywhere() -> None:
    seen = finding(
        T0,
        evidence(n={HOSTILE: 1, "`b`": 2}, arms={HOSTILE: 1.0}, unit=HOSTILE, reason=HOSTILE),
        origin_reason=HOSTILE,
        watch=HOSTILE,
    )
    labels = {"metric": HOSTILE, "segment": HOSTILE, "version": HOSTILE}
    bad = alert(finding=seen, labels=labels, watch=HOSTILE, model=HOSTILE, frozen=HOSTILE)
    context = Context(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), HOSTILE, rehearsal=True)
    for kind in Kind:
        title, text = message(bad, kind, context)
        assert "<" not in title + text
        outside = re.sub(r"`[^`]*`", "", text.replace("```", "`"))
        assert "*x*" not in title + outside
        assert "`" not in outside
        assert "<!channel>" in plain(title, text)


def test_the_command_of_a_hostile_name_is_one_shell_word() -> None:
    _, text = message(alert(watch="a; rm -rf $HOME"), Kind.FIRING, CONTEXT)
    assert "--watch 'a; rm -rf $HOME'`" in text


def test_the_longest_message_fits_and_keeps_its_evidence() -> None:
    long = "&" * 5_000
    seen = finding(T0, evidence(reason=long, effect=None, relative=None, n={}), origin_reason=long, watch=long)
    labels = {"metric": long, "segment": long, "version": long}
    bad = alert(finding=seen, labels=labels, watch=long, frozen=long)
    context = Context(long, long, long, long, (long,) * 9, long, rehearsal=True)
    for kind in Kind:
        title, text = message(bad, kind, context)
        assert len(title) <= TITLE_LIMIT
        assert len(text) <= TEXT_LIMIT
        assert "loopwatch status --model feed-ranker" in text
        assert not re.search(r"&(?!amp;)", title + text)


@pytest.mark.parametrize("detector", [*WORDINGS, "river_adwin", "something_else"])
@pytest.mark.parametrize("effect", [0.1, -0.1, None])
def test_every_detector_has_its_sentence(detector: str, effect: float | None) -> None:
    seen = finding(T0, evidence(effect=effect, relative=None), detector=detector)
    title, text = message(alert(finding=seen), Kind.FIRING, CONTEXT)
    assert "{" not in title + text
    assert plain(title).endswith(": page")


def test_a_hint_is_called_a_hint() -> None:
    assert wording_of("river_adwin") is HINT
    assert wording_of("unheard_of") is GENERIC
    seen = finding(T0, evidence(), detector="river_adwin")
    assert "a hint, not a finding" in message(alert(finding=seen), Kind.FIRING, CONTEXT)[0]


@pytest.mark.parametrize("origin", list(Origin))
def test_every_origin_is_told_with_a_reason(origin: Origin) -> None:
    _, text = message(alert(finding=finding(T0, evidence(), origin=origin)), Kind.FIRING, CONTEXT)
    assert re.search(r"\*Likely origin: [a-z ]+\.\* \S+", text)


def test_rehearsal_tells_how_to_end_it() -> None:
    _, text = message(alert(), Kind.FIRING, Context("feed-ranker", rehearsal=True))
    assert "`loopwatch arm --model feed-ranker`" in text


def test_the_terminal_sees_no_markup() -> None:
    shown = plain(*message(alert(), Kind.FIRING, CONTEXT))
    assert not set(shown) & set("*`<")
    assert "runbook: https://wiki/feed-ranker" in shown


COMPARED_WITHIN_ONE_POOL = sorted(
    name
    for name, detector in DETECTORS.items()
    if detector.family in (Family.LOOP, Family.HINT) and detector.needs(EXAMPLES[name].params).contrast
)


def test_whoever_compares_a_loops_cohorts_says_that_they_share_what_is_shown() -> None:
    assert {"concentration", "homogenisation", "divergence", "calibration_gap", "flywheel"} <= {
        *COMPARED_WITHIN_ONE_POOL
    }
    for name in COMPARED_WITHIN_ONE_POOL:
        assert re.search("(the exposed|exposed people) made popular", WORDINGS[name].unknown), name
    assert "All items share the same places and people" in WORDINGS["loop_gain"].unknown
