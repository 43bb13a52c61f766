"""Scenario 36: a stored finding is edited in the database; `loopwatch audit verify` names it. Its twin was left alone."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli import cli
from monitor.clock import ManualClock
from monitor.ingest.via_memory import MemorySource
from monitor.store.via_sql import SqlStore
from monitor.testing import Run
from tests.engine.shop import CONFIG, shop_contents, shop_plan

WALL = 1_700_000_000_000


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop that was watched for six hours, with an alert or two."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "loopwatch.yaml").write_text(CONFIG)
    url = f"sqlite:///{folder / 'loopwatch.db'}"
    SqlStore.upgrade(url)
    store = SqlStore(url, ManualClock(WALL))
    Run(shop_plan(), MemorySource(shop_contents()), store, ManualClock(WALL), 500).to_the_end()
    store.close()
    return folder


def loopwatch(folder: Path, *words: str) -> Result:
    arguments = [*words, "--config", str(folder / "loopwatch.yaml")]
    return CliRunner(env={"COLUMNS": "160", "TERM": "dumb"}).invoke(cli, arguments)


@pytest.fixture
def copy(watched: Path, tmp_path: Path) -> Path:
    with (
        sqlite3.connect(watched / "loopwatch.db") as source,
        sqlite3.connect(tmp_path / "loopwatch.db") as target,
    ):
        source.backup(target)
    source.close()
    target.close()
    (tmp_path / "loopwatch.yaml").write_text(CONFIG)
    return tmp_path


def run(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "loopwatch.db")
    with connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


def test_the_twin_that_nobody_touched_is_whole(watched: Path) -> None:
    done = loopwatch(watched, "audit", "verify")
    assert done.exit_code == 0, done.stdout
    assert "shop: the chain is whole" in done.stdout
    assert "0 findings" not in done.stdout


def test_an_edited_finding_is_named(copy: Path) -> None:
    head = loopwatch(copy, "audit", "verify").stdout.split("head ")[1].strip()
    run(copy, "UPDATE findings SET finding = REPLACE(finding, '\"crossing\":\"page\"', '\"crossing\":\"none\"') "
        "WHERE id = (SELECT MIN(id) FROM findings WHERE crossing = 'page')")  # fmt: skip
    done = loopwatch(copy, "audit", "verify", "--head", head)
    assert done.exit_code == 1
    (fault,) = [line for line in done.stdout.splitlines() if "was changed" in line]
    assert fault.startswith("shop: finding ")
    assert "its text is not the one that was recorded" in fault
    assert "shop: the chain is not what was recorded" in done.stdout


def test_a_head_kept_elsewhere_names_what_was_cut_off(copy: Path) -> None:
    head = loopwatch(copy, "audit", "verify").stdout.split("head ")[1].strip()
    position = int(head.split(":")[1])
    run(copy, f"DELETE FROM audit WHERE position = {position}")
    run(
        copy,
        f"UPDATE models SET links = {position - 1}, head = (SELECT hash FROM audit WHERE position = {position - 1})",
    )
    done = loopwatch(copy, "audit", "verify", "--head", head)
    assert done.exit_code == 1
    assert f"link {position} is missing: a head kept elsewhere names the last of them" in done.stdout.replace(
        "links", "link"
    )


@pytest.mark.parametrize("head", ["shop", "shop:x:00", "shop:3:abc"])
def test_a_head_that_is_none_is_refused_in_words(copy: Path, head: str) -> None:
    done = loopwatch(copy, "audit", "verify", "--head", head)
    assert done.exit_code == 2
    assert "is not MODEL:POSITION:HASH" in done.stderr


def test_an_export_tells_what_was_found_and_where_nothing_was(watched: Path) -> None:
    done = loopwatch(watched, "audit", "export", "--from", "2023-11-14", "--to", "2023-11-15")
    assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    by_kind: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        by_kind.setdefault(line["what"], []).append(line)
    assert set(by_kind) >= {"config", "decision", "finding", "looked", "end"}
    assert all(line["finding"]["evidence"]["crossing"] != "none" for line in lines if line["what"] == "finding")
    connection = sqlite3.connect(watched / "loopwatch.db")
    (stored,) = connection.execute("SELECT COUNT(*) FROM findings").fetchone()
    connection.close()
    windows = sum(line["windows"] for line in lines if line["what"] == "looked")
    assert windows + len(by_kind["finding"]) == stored
    assert any(line["standing"] == "ok" and line["mode"] == "watching" for line in lines if line["what"] == "looked")
    assert all("reason" in line["detail"] for line in lines if line["what"] == "decision")
    assert "clicks-fall" in next(line["detail"] for line in lines if line["what"] == "config")["watches"]
    assert lines[-1]["last"]["position"] == lines[-1]["links"]


def test_an_export_of_another_time_says_that_there_is_nothing(watched: Path) -> None:
    done = loopwatch(watched, "audit", "export", "--from", "2020-01-01", "--to", "2020-01-02T00:00:00+01:00")
    (end,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (end["what"], end["links"], end["last"]) == ("end", 0, {})
    assert loopwatch(watched, "audit", "export", "--from", "soon", "--to", "2020-01-02").exit_code == 2
