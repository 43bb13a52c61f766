"""`loopwatch status --watch`, to which every alert points, is read by the person who was woken."""

from __future__ import annotations

import json

import msgspec
import pytest

from detectors.evidence import Crossing, Evidence, Interval, Mode, Standing
from monitor.app import open_store
from monitor.clock import SystemClock
from monitor.store.protocols import Step
from tests.app.conftest import CommandLine
from tests.store.places import finding

MODEL, WATCH, HOUR = "open-bandit", "clicks", 3_600_000
START = 1_763_352_000_000
FIRED = Evidence(
    mode=Mode.WATCHING,
    crossing=Crossing.PAGE,
    n={"exposed": 1_190_412, "holdout": 188_007},
    effect=-0.0052,
    unit="share",
    interval=Interval(low=-0.0061, high=-0.0043),
    reason="exposed people click less",
)
UNJUDGED = Evidence(mode=Mode.LEARNING, standing=Standing.INSUFFICIENT, n={"exposed": 12}, reason="too few people yet")


@pytest.fixture
def told(loopwatch: CommandLine) -> CommandLine:
    store = open_store(loopwatch.database, SystemClock())
    lease = store.acquire("test", 60_000)
    assert lease is not None
    base = finding(model=MODEL, watch=WATCH)
    findings = [
        msgspec.structs.replace(base, start=end - HOUR, end=end, evidence=FIRED if n == 11 else UNJUDGED)
        for n in range(12)
        for end in [START + n * HOUR]
    ]
    store.commit(Step(model=MODEL, number=1, findings=findings), lease)
    store.close()
    return loopwatch


@pytest.mark.parametrize("columns", [80, 160])
def test_the_last_ten_findings_are_a_table(told: CommandLine, columns: int) -> None:
    done = told("status", "--model", MODEL, "--watch", WATCH, columns=columns)
    assert done.exit_code == 0, done.stderr
    table = done.stdout.partition("what clicks last found")[2]
    words = " ".join(table.split())
    assert '"evidence"' not in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= columns
    assert [words.split().count(said) for said in ("insufficient", "learning", "yet")] == [9, 9, 9], "no word is cut"
    for said in (
        "end",
        "standing",
        "effect",
        "interval",
        "reason",
        "exposed 1,190,412",
        "holdout 188,007",
        "-0.0052",
        "page",
    ):
        assert said in words
    if columns == 160:
        first = next(line for line in table.splitlines() if "exposed 1,190,412" in line)
        for said in (
            "17 Nov 2025",
            "ok: page",
            "-0.00520 share",
            "-0.00610 to -0.00430",
            "exposed people click less",
        ):
            assert said in first


def test_every_figure_is_in_the_json(told: CommandLine) -> None:
    done = told("status", "--model", MODEL, "--watch", WATCH, "--json")
    findings = json.loads(done.stdout)["findings"]
    assert len(findings) == 10
    assert max(f["end"] for f in findings) == START + 11 * HOUR
