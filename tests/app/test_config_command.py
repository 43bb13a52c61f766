"""`loopwatch config`: the whole reference, or the part that somebody asks for."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.app.conftest import CommandLine


@pytest.mark.parametrize(
    ("key", "heading", "said"),
    [
        ("cohorts", "# cohorts", "| `holdout` | [HoldoutSettings]"),
        ("outcomes.origin", "# outcomes.origin", "| `field` |"),
        ("outcomes.click.origin", "# outcomes.origin", "| `field` |"),
        ("rehearsal", "# rehearsal", "| `rehearsal` | duration | `14d` |"),
        ("kafka.sasl.password_file", "# kafka.sasl.password_file", "| path of a file that holds the secret |"),
        ("KafkaSettings", "## KafkaSettings", "| `brokers` |"),
        ("churn", "## detector.churn", "| `top` | whole number, at least 10"),
    ],
)
def test_one_key_is_explained_alone(loopwatch: CommandLine, key: str, heading: str, said: str) -> None:
    done = loopwatch("config", key)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{heading}\n")
    assert said in done.stdout
    assert done.stdout.count("\n") < 40
    assert done.stdout.count("\n#") < 2


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("cohort", "did you mean watch.cohort, cohorts"),
        ("origin", "did you mean outcomes.origin?"),
        ("outcomes.orign", "did you mean outcomes.origin"),
        ("page_if_worse_by", "metrics.page_if_worse_by"),
        ("zzz", "`loopwatch config` lists all"),
    ],
)
def test_an_unknown_key_is_answered_with_names_that_are_near(loopwatch: CommandLine, key: str, near: str) -> None:
    done = loopwatch("config", key)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"the config has no key or section '{key}'; " in done.stderr
    assert near in done.stderr


def test_on_a_terminal_it_is_rendered() -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", "from monitor.cli import main; main()", "config", "rehearsal"]
    with subprocess.Popen(words, stdout=theirs, env=os.environ | {"TERM": "xterm", "COLUMNS": "90"}) as process:
        assert process.wait(30) == 0
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert "\x1b[" in shown
    assert "──" in shown
    assert "|" not in shown
