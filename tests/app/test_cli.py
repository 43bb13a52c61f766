"""Every command that needs no server: exit codes, and sentences that help."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.app import VERSION, open_store
from monitor.cli import cli
from monitor.clock import SystemClock
from monitor.simulate import open_bandit
from monitor.store.protocols import Step
from monitor.testing import run_over
from tests.app.conftest import CommandLine
from tests.engine import test_in_turn as in_turn
from tests.engine.shop import contents
from tests.scenarios.world import SHARED
from tests.servers.webhook import Webhook
from tests.store.places import alert, finding

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
EXAMPLE_ENVIRONMENT = {
    "KAFKA_PASSWORD": "example-only",
    "DATABASE_URL": "sqlite:///example.db",
    "FEED_ONCALL_URL": "json://127.0.0.1",
    "FEED_DIGEST_URL": "json://127.0.0.1",
    "EXPERIMENTS_URL": "json://127.0.0.1",
}
MODEL = "open-bandit"
COMMANDS = (
    "run",
    "check",
    "replay",
    "status",
    "demo",
    "arm",
    "rearm",
    "erase",
    "resend",
    "config",
    "reference",
    "db",
    "audit",
)


def files(stream: open_bandit.Written) -> list[str]:
    return [f"{topic}={stream.paths[topic]}" for topic in (open_bandit.PREDICTIONS, open_bandit.CLICKS)]


@pytest.mark.parametrize("file", ["loopwatch.yaml", "open-bandit.yaml"])
def test_check_finds_every_example_in_order(loopwatch: CommandLine, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in EXAMPLE_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    done = loopwatch("check", "--config", EXAMPLES / file)
    assert done.exit_code == 0, done.stderr
    assert "clicks" in done.stdout
    assert "sample_ratio" in done.stdout
    assert "this model is not watched" not in done.stderr


def test_check_says_when_nobody_would_be_told(loopwatch: CommandLine) -> None:
    done = loopwatch("check", "--config", EXAMPLES / "open-bandit.yaml")
    assert "nobody is told" in done.stderr
    assert "nobody is told" not in loopwatch("check").stderr


def test_a_fault_in_the_config_is_told_with_file_and_line(loopwatch: CommandLine) -> None:
    loopwatch.write("limits: { turn: soon }")
    line = 1 + loopwatch.config.read_text().splitlines().index("limits: { turn: soon }")
    for command in (["check"], ["run"], ["status"], ["db", "upgrade"], ["arm", "--model", "open-bandit"]):
        done = loopwatch(*command)
        assert done.exit_code == 2
        assert done.stderr.startswith(f"{loopwatch.config}:{line}")
        assert "soon" in done.stderr
        assert done.stdout == ""


def test_a_config_that_is_not_there_is_told_as_such(loopwatch: CommandLine) -> None:
    done = loopwatch("check", "--config", loopwatch.folder / "absent.yaml")
    assert done.exit_code == 2
    assert "absent.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_refuses_a_destination_it_does_not_understand_without_showing_it(loopwatch: CommandLine) -> None:
    loopwatch.write("slack: nonsense://h1dden-part")
    done = loopwatch("check")
    assert done.exit_code == 2
    assert "slack" in done.stderr
    assert "h1dden-part" not in done.output


def test_a_sample_is_shown_as_the_model_would_see_it(loopwatch: CommandLine, tmp_path: Path) -> None:
    events = list(open_bandit.predictions(open_bandit.untouched()))[:2]
    sample = tmp_path / "sample.jsonl"
    sample.write_bytes(b"\n".join([*events, b'{"impression_id": "x"}', b"no JSON"]) + b"\n")
    done = loopwatch("check", "--sample", sample, "--topic", "predictions")
    assert done.exit_code == 0
    assert done.stdout.count("cohort=") == 2
    assert "unit=yes" in done.stdout
    assert "line 3 cannot be used: " in done.stdout
    assert "line 4 cannot be used: " in done.stdout


def test_a_sample_of_a_topic_that_nobody_reads_is_refused(loopwatch: CommandLine, tmp_path: Path) -> None:
    done = loopwatch("check", "--sample", tmp_path / "any", "--topic", "payments")
    assert done.exit_code == 2
    assert "no model reads a topic named 'payments'; the topics of this config are clicks, predictions" in done.stderr


def test_a_sample_that_is_not_there_is_told_without_a_traceback(loopwatch: CommandLine, tmp_path: Path) -> None:
    done = loopwatch("check", "--sample", tmp_path / "absent.jsonl", "--topic", "clicks")
    assert done.exit_code == 1
    assert "absent.jsonl" in done.stderr


def test_a_replay_writes_what_it_found_and_sends_nothing(
    loopwatch: CommandLine, stream: open_bandit.Written, receiver: Webhook, tmp_path: Path
) -> None:
    loopwatch.write(f"slack: {receiver.url('slackhook')}")
    done = loopwatch("replay", *files(stream), "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    findings = [json.loads(line) for line in (tmp_path / "out" / "findings.jsonl").read_text().splitlines()]
    alerts = [json.loads(line) for line in (tmp_path / "out" / "alerts.jsonl").read_text().splitlines()]
    assert {"clicks", "holdout", "concentration"} <= {f["watch"] for f in findings}
    assert {a["watch"] for a in alerts} == {"clicks"}
    opened = len({a["id"] for a in alerts})
    assert f"{len(findings):,} finding(s) and {opened} alert(s)" in done.stdout
    assert "open-bandit, judged up to " in done.stdout
    assert any(line.split()[:2] == ["holdout", "ok"] for line in done.stdout.splitlines())
    assert receiver.received == []
    assert not (tmp_path / "loopwatch.db").exists()


def test_a_replay_told_to_send_delivers_each_message_in_order(
    loopwatch: CommandLine, stream: open_bandit.Written, receiver: Webhook, tmp_path: Path
) -> None:
    loopwatch.write(f"slack: {receiver.url('slackhook')}")
    done = loopwatch("replay", *files(stream), "--out", tmp_path / "out", "--send")
    assert done.exit_code == 0, done.output
    texts = [request.json["text"] for request in receiver.received]
    assert len(texts) >= 2
    assert "Warning: exposed people show lower clicks than the holdout" in texts[0]
    assert len({text.partition("key ")[2].split()[0] + text.partition("\n")[0] for text in texts}) == len(texts)
    assert f"{len(texts)} message(s) sent" in done.stdout


def test_a_replay_whose_receiver_refuses_says_so_and_fails(
    loopwatch: CommandLine, stream: open_bandit.Written, tmp_path: Path
) -> None:
    loopwatch.write("slack: slackhook://127.0.0.1:1/h1dden-part")
    done = loopwatch("replay", *files(stream), "--out", tmp_path / "out", "--send")
    assert done.exit_code == 1
    assert "slack: " in done.stderr
    assert "message(s) were not sent" in done.stderr
    assert "h1dden-part" not in done.output


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("predictions", "'predictions': write TOPIC=FILE"),
        ("payments=p.jsonl", "no model reads payments; the topics of this config are clicks, predictions"),
    ],
)
def test_files_that_a_replay_cannot_place_are_refused(loopwatch: CommandLine, given: str, said: str) -> None:
    done = loopwatch("replay", given)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_replay_of_a_file_that_is_not_there_is_told_without_a_traceback(
    loopwatch: CommandLine, tmp_path: Path
) -> None:
    done = loopwatch("replay", f"predictions={tmp_path / 'absent.jsonl'}", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "absent.jsonl" in done.stderr
    assert not isinstance(done.exception, OSError)


def test_status_before_the_first_run_makes_no_database_and_says_so(loopwatch: CommandLine) -> None:
    done = loopwatch("status")
    assert done.exit_code == 0
    assert "nothing is stored yet of open-bandit: `loopwatch run` has not read from it" in done.stderr
    assert sorted(each.name for each in loopwatch.folder.iterdir()) == ["loopwatch.yaml"]


def test_status_of_a_model_that_has_seen_nothing_is_insufficient_never_ok(loopwatch: CommandLine) -> None:
    loopwatch.write(f"database: {loopwatch.database}")
    shown = loopwatch("status")
    assert shown.exit_code == 0, shown.stderr
    assert "no window has closed yet" in shown.stdout
    told = json.loads(loopwatch("status", "--json").stdout)
    states = {row["state"] for row in told["models"]["open-bandit"]["watches"]}
    assert states == {"insufficient"}
    assert told["models"]["open-bandit"]["store"]["step"] == 0


@pytest.mark.parametrize("wrong", [["--model", "absent"], ["--watch", "absent"]])
def test_status_of_what_the_config_does_not_have_is_refused(loopwatch: CommandLine, wrong: list[str]) -> None:
    done = loopwatch("status", *wrong)
    assert done.exit_code == 2
    assert "absent" in done.stderr


def test_the_reference_names_what_can_be_written_and_its_schema_is_json(loopwatch: CommandLine) -> None:
    text = loopwatch("config")
    assert text.exit_code == 0
    assert "`page_if_worse_by`" in text.stdout
    schema = json.loads(loopwatch("config", "--schema").stdout)
    assert "Settings" in schema["$defs"]


def test_upgrading_twice_does_something_once(loopwatch: CommandLine) -> None:
    loopwatch.write(f"database: {loopwatch.database}")
    first, second = loopwatch("db", "upgrade"), loopwatch("db", "upgrade")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == "the tables were brought up to date\n"
    assert second.stdout == "the tables are up to date\n"


def test_the_demo_tells_its_story_to_the_end(loopwatch: CommandLine, tmp_path: Path) -> None:
    done = loopwatch("demo", "--impressions", "60000", "--out", tmp_path / "demo")
    assert done.exit_code == 0, done.output
    for said in ("a harm we plant", "exposed people show lower clicks", "The log as it was", "Next"):
        assert said in done.stdout
    for said in ("closed-loop: clicks up, and beneath it exposed people see fewer", "the alert above"):
        assert said in " ".join(done.stdout.replace("│", "").split()), (
            "the loop closes under green engagement, and is told"
        )
    assert (tmp_path / "demo" / "findings.jsonl").stat().st_size > 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = CliRunner().invoke(cli, [command, "--help"])
    assert done.exit_code == 0
    assert f"Usage: loopwatch {command}" in done.stdout or f"Usage: root {command}" in done.stdout
    assert "--help" in done.stdout


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(cli, ["--version"]).stdout == f"loopwatch {VERSION}\n"


def test_check_tells_what_each_watch_will_find_and_what_it_costs(loopwatch: CommandLine) -> None:
    before = loopwatch("check").stdout
    assert "nothing has been seen yet: say --units-per-day" in " ".join(before.split())
    done = loopwatch("check", "--units-per-day", "200000", "--mean", "clicks=0.5%")
    said = " ".join(done.stdout.split())
    assert done.exit_code == 0
    assert "held-out people are enough to find a " in said
    assert "change in clicks within 28 d" in said
    assert " of people mixed up within 28 d" in said
    assert "not foretold: " in said
    assert "of memory, 172,800 transactions with" in said


def test_check_foretells_in_the_words_of_what_is_compared(loopwatch: CommandLine) -> None:
    config = loopwatch.config.read_text()
    loopwatch.config.write_text(config.replace("holdout:", "old_version:"))
    done = loopwatch("check", "--units-per-day", "200000", "--mean", "clicks=0.5%")
    said = " ".join(done.stdout.split())
    assert done.exit_code == 0
    assert "people of the old version are enough to find a " in said
    assert "held-out people" not in said


def test_check_tells_each_experiment_at_the_level_of_its_turn(loopwatch: CommandLine) -> None:
    loopwatch.config.write_text(SHARED + in_turn.MODEL)

    def levels(*words: str) -> dict[str, str]:
        done = loopwatch("check", *words)
        assert done.exit_code == 0, done.stderr
        said = re.findall(
            r"(colour|layout)\.saves: .*?, at ([0-9.]+) % of false_discoveries", " ".join(done.stdout.split())
        )
        return dict(said)

    traffic = ("--units-per-day", "200000", "--mean", "saves=20%")
    assert levels(*traffic) == {"colour": "49", "layout": "13"}, "nothing has started: the order of the config"
    store = open_store(loopwatch.database, SystemClock())
    lease = store.acquire("test", 60_000)
    assert lease is not None
    told = run_over(in_turn.plan(), contents(in_turn.events()))
    store.commit(Step(model="feed", number=1, findings=told.findings), lease)
    store.close()
    assert levels() == {"layout": "49", "colour": "26"}, "layout started first and found something, then came colour"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--mean", "clicks=1%"], "need --units-per-day"),
        (["--units-per-day", "10", "--mean", "clicks=many"], "write METRIC=MEAN, for instance reads=12% or reads=0.12"),
        (["--units-per-day", "10", "--mean", "clicks=3"], "a mean lies between 0 and 1"),
        (["--units-per-day", "10", "--mean", "click=3%"], "no metric is named 'click'; there are clicks"),
    ],
)
def test_check_refuses_traffic_that_it_does_not_understand(loopwatch: CommandLine, words: list[str], told: str) -> None:
    done = loopwatch("check", *words)
    assert done.exit_code == 2
    assert told in done.stderr


def test_the_mean_of_a_sum_is_refused_in_words(loopwatch: CommandLine) -> None:
    loopwatch.config.write_text(loopwatch.config.read_text().replace("of: click,", "of: click, value: count,"))
    done = loopwatch("check", "--units-per-day", "10", "--mean", "clicks=1.5")
    assert done.exit_code == 2
    assert "clicks is a count; what it finds depends on its spread: try --history" in done.stderr


def test_tables_are_whole_at_eighty_columns(loopwatch: CommandLine) -> None:
    for words in (["check"], ["status"]):
        said = loopwatch(*words, columns=80).stdout
        for name in ("freshness.predictions", "rejects.predictions", "clicks.returning"):
            assert any(line.split()[:1] == [name] for line in said.splitlines()), said
    assert [
        line for line in loopwatch("check", columns=80).stdout.splitlines() if line.rstrip().endswith(" calibrated")
    ]
    assert "no window has closed yet" in said


def test_an_export_that_ends_before_it_begins_is_refused(loopwatch: CommandLine) -> None:
    done = loopwatch("audit", "export", "--from", "2026-03-02", "--to", "2026-03-01")
    assert done.exit_code == 2
    assert "--from 2026-03-02 does not lie before the end of --to 2026-03-01" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["rearm", "--model", "open-bandit", "--watch", ""], 2, "open-bandit has no watch named ''; it has "),
        (["erase", "--model", "open-bandit", "--unit", "\udcff"], 2, "--unit is no UTF-8 text"),
        (["check", "--units-per-day", "inf"], 2, "'--units-per-day'"),
        (["dead-letters", "list", "--model", "open-bandit", "--limit", "9" * 20], 2, "'--limit'"),
        (["replay", "=absent"], 2, "'=absent': write TOPIC=FILE"),
        (["replay", "predictions=absent", "--out", "FILE"], 2, "--out FILE: "),
        (["simulate", "--people", "100", "--periods", "1", "--out", "FILE"], 2, "--out FILE: "),
        (["simulate", "--holdout", "0.9", "--old-version", "0.9"], 2, "found 0.9 and 0.9, allowed are shares"),
        (["demo", "--out", "FILE/deeper"], 2, "--out FILE/deeper: Not a directory"),
        (
            ["audit", "export", "--from", "2026-03-01", "--to", "2026-03-01", "--out", "FILE/deeper"],
            2,
            "--out FILE/dee",
        ),
        (["audit", "verify"], 1, "nothing is stored in the database of this config"),
    ],
)
def test_nonsense_is_answered_in_a_sentence(
    loopwatch: CommandLine, words: list[str], code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(loopwatch.folder)
    (loopwatch.folder / "FILE").touch()
    done = loopwatch(*words)
    assert (done.exit_code, type(done.exception)) == (code, SystemExit)
    assert told in done.stderr
    assert not (loopwatch.folder / "loopwatch.db").exists()


def test_a_day_is_whole_however_it_is_spelled(loopwatch: CommandLine) -> None:
    for day in ("2026-03-01", "20260301"):
        done = loopwatch("audit", "export", "--from", day, "--to", day)
        assert done.exit_code == 0, done.stderr


def test_a_watch_that_the_config_no_longer_has_is_shown_while_its_alert_is_open(loopwatch: CommandLine) -> None:
    store = open_store(loopwatch.database, SystemClock())
    lease = store.acquire("test", 60_000)
    assert lease is not None
    said = [finding(model=MODEL, watch=watch) for watch in ("gone", "reads")]
    store.commit(Step(model=MODEL, number=1, findings=said, alerts=[alert(model=MODEL)]), lease)
    store.close()
    rows = {line.split()[0] for line in loopwatch("status").stdout.splitlines() if line.split()}
    assert "reads" in rows
    assert "gone" not in rows
